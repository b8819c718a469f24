"""python -m benchmarks.facts [--quick]: see the package."""

from __future__ import annotations

import argparse
import asyncio
import logging
from functools import partial

from rich.console import Console

from benchmarks.report import progress_bar

from .tables import (
    FULL,
    QUICK,
    lasting_table,
    memory_table,
    prefix_table,
    runs_table,
    turns_table,
)

_COLUMNS_NEEDED = 150  # of characters, by the tables


async def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.facts", description="What is remembered, and sent again."
    )
    parser.add_argument("--quick", action="store_true", help="to see that all works: no figures")
    is_quick = parser.parse_args().quick
    scale = QUICK if is_quick else FULL
    # A turn of heavy-tailed ones may be longer than the smallest budget: that is not news here.
    logging.getLogger("mongo_sessions").setLevel(logging.ERROR)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_COLUMNS_NEEDED)
    with progress_bar() as progress:
        tick = partial(progress.advance, progress.add_task("facts, prefixes", total=scale.steps()))
        makers = (memory_table, lasting_table, prefix_table, runs_table, turns_table)
        tables = [await make(scale, tick) for make in makers]
    for table in tables:
        console.print(table)
    if is_quick:
        console.print("A quick run shows that all works; its figures mean nothing.", style="yellow")


if __name__ == "__main__":
    asyncio.run(main())
