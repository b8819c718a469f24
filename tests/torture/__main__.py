"""``make torture``: a round for people. The same seed gives the same faults."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from .report import show
from .round import run

if TYPE_CHECKING:
    from collections import Counter

arguments = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
arguments.add_argument("--seconds", type=float, default=600.0, help="default: %(default)s")
arguments.add_argument("--seed", type=int, help="default: drawn, and printed")

arguments.add_argument(
    "--standalone", action="store_true", help="one server without a replica set, killed meanwhile"
)


def main() -> int:
    options = arguments.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    console = Console()
    columns = (TextColumn("seed {task.fields[seed]}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[faults]} faults"), console=console) as bar:
        task = bar.add_task("", total=options.seconds, seed=seed, faults=0)

        def progress(seconds: float, faults: Counter[str]) -> None:
            bar.update(task, completed=seconds, faults=faults.total())

        result = asyncio.run(run(seed, options.seconds, progress, standalone=options.standalone))
    show(result, console)
    return 0 if result.is_clean and not result.shortcomings else 1


sys.exit(main())
