"""python -m benchmarks [--quick] [--only TEXT] [--json FILE] [--picture FILE]: see the package."""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import tempfile
from pathlib import Path

import agents
from rich.console import Console

from .picture import picture
from .report import progress_bar
from .run import Effort, run
from .servers import all_servers

_COLUMNS_NEEDED = 150  # of characters, by the tables
_FILES_NEEDED = 8_192


def read_options() -> tuple[Effort, argparse.Namespace]:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="What sessions cost, side by side."
    )
    parser.add_argument(
        "--quick", action="store_true", help="few rounds, short sessions: to see that all works"
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="work with this in its name")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="and draw them there, as SVG")
    options = parser.parse_args()
    effort = Effort(options.quick, options.only)
    try:
        effort.check()
    except ValueError as error:
        parser.error(str(error))
    return effort, options


def allow_many_files() -> None:
    """SQLiteSession keeps a connection, and so some files, for each session and thread."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if now != resource.RLIM_INFINITY and now < _FILES_NEEDED:
        wanted = _FILES_NEEDED if most == resource.RLIM_INFINITY else min(most, _FILES_NEEDED)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


async def main() -> int:
    effort, options = read_options()
    allow_many_files()
    agents.set_tracing_disabled(disabled=True)  # it would go to a server
    async with all_servers() as servers:
        with tempfile.TemporaryDirectory() as folder, progress_bar() as progress:
            report = await run(servers, Path(folder), effort, progress)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_COLUMNS_NEEDED)
    console.print(report.tables())
    if options.json:
        options.json.write_text(json.dumps(report.as_json(), indent=1), encoding="utf-8")
    if options.picture:
        options.picture.write_text(picture(report.figures), encoding="utf-8")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
