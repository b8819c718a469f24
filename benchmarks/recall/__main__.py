"""python -m benchmarks.recall [--locomo PATH] [--every N] [--quick]: see the package."""

from __future__ import annotations

import argparse
import asyncio
import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console

from benchmarks.report import progress_bar
from mongo_sessions import MongoSessionStore
from mongo_sessions.testing import EmbeddedMongo

from . import generated, locomo
from .conversations import joined
from .costs import prefix_table, start_table
from .measure import store_conversation
from .steps import STEPS
from .tables import rows, seen_table, steps_table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from rich.table import Table

    from .conversations import Conversation


class Costs(NamedTuple):
    """Where the costs are measured."""

    sizes: tuple[int, ...]
    """Items of a session."""
    windows: tuple[int, ...]
    calls: tuple[int, ...]
    """Model calls of a turn."""
    turns: int


FULL = Costs((1_000, 10_000), (4_000, 16_000, 64_000), (2, 4, 8), 150)
QUICK = Costs((40,), (4_000,), (2,), 30)

_DATABASE = "benchmark_of_recall"
_COLUMNS_NEEDED = 130
_QUICK_QUESTIONS = 2
_STEPS_EVERY = 1


async def tables_of(
    conversations: Sequence[Conversation], steps_every: int, costs: Costs
) -> AsyncIterator[Table]:
    """The tables, each when it is complete: all questions of LoCoMo take a quarter of an hour."""
    whole = joined(conversations) if len(conversations) > 1 else None
    asked = sum(len(one.questions) for one in conversations)
    in_steps = sum(len(one.questions[::steps_every]) for one in conversations)
    total = len(rows()) * asked * (2 if whole else 1) + len(STEPS) * in_steps
    total += len(costs.sizes) + len(costs.windows) * len(costs.calls)
    async with (
        EmbeddedMongo() as uri,
        MongoSessionStore.from_uri(uri, _DATABASE) as store,
    ):
        for one in (*conversations, *([whole] if whole else [])):
            await store_conversation(store, one, uri, _DATABASE)
        with progress_bar() as progress:
            tick = partial(progress.advance, progress.add_task("questions", total=total))
            yield await seen_table(store, conversations, whole, tick)
            yield await steps_table(conversations, steps_every, tick)
            yield await start_table(store, costs.sizes, tick)
            yield await prefix_table(costs.windows, costs.calls, costs.turns, tick)


async def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recall", description="What a prompt has of what is asked for."
    )
    parser.add_argument("--locomo", type=Path, metavar="PATH", help="locomo10.json")
    parser.add_argument("--quick", action="store_true", help="to see that all works: no figures")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every Nth question")
    options = parser.parse_args()
    logging.getLogger("mongo_sessions").setLevel(logging.ERROR)
    if options.locomo:
        conversations = locomo.read(options.locomo)
    else:
        conversations = [generated.conversation(quick=options.quick)]
    conversations = [
        replace(one, questions=one.questions[:: options.every]) for one in conversations
    ]
    if options.quick:
        conversations = [
            replace(one, questions=one.questions[:_QUICK_QUESTIONS]) for one in conversations[:2]
        ]
    console = Console()
    if not console.is_terminal:
        console = Console(width=_COLUMNS_NEEDED)
    costs = QUICK if options.quick else FULL
    async for table in tables_of(conversations, _STEPS_EVERY, costs):
        console.print(table)
    if options.quick:
        console.print("A quick run shows that all works; its figures mean nothing.", style="yellow")


if __name__ == "__main__":
    asyncio.run(main())
