"""The tables of the benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

from .measure import Prompts, prompts
from .steps import STEPS, recalled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mongo_sessions import MongoSessionStore

    from .conversations import Conversation

BLOCK_TOKENS = 1_000
WINDOWS = (4_000, 8_000, 16_000)
_ALONE = 1
"""A window of the newest item alone."""
_STEP_WINDOW = 4_000


@dataclass(frozen=True)
class Row:
    """A window with a block."""

    name: str
    window: int
    block: int | None


def rows() -> list[Row]:
    """What each conversation, and all in one session, is measured with."""
    return [
        row
        for window in WINDOWS
        for row in (
            Row(f"window of {window:,}", window, None),
            Row(f"  with {BLOCK_TOKENS:,} recalled", window, BLOCK_TOKENS),
        )
    ] + [Row(f"{2 * BLOCK_TOKENS:,} recalled alone", _ALONE, 2 * BLOCK_TOKENS)]


async def seen_table(
    store: MongoSessionStore,
    conversations: Sequence[Conversation],
    whole: Conversation | None,
    tick: Callable[[], None],
) -> Table:
    table = Table(title="Evidence that the prompt has", title_justify="left")
    table.add_column("tokens")
    table.add_column(f"{len(conversations)} session(s)", justify="right")
    if whole:
        table.add_column("all in one session", justify="right")
    table.add_column("tokens of a block", justify="right")
    table.add_column("questions with a block", justify="right")
    table.add_column("newer of two values last", justify="right")
    for row in rows():
        each = [await prompts(store, one, row.window, row.block, tick) for one in conversations]
        all_of = _sum(each)
        cells = [f"{all_of.share:.1%}"]
        if whole:
            cells.append(f"{(await prompts(store, whole, row.window, row.block, tick)).share:.1%}")
        blocks = [""] * 2
        if row.block:
            blocks = [
                f"{all_of.block_tokens / max(1, all_of.blocks):,.0f}",
                f"{all_of.blocks / all_of.questions:.1%}",
            ]
        newest = f"{all_of.newest_last} of {all_of.corrected}" if all_of.corrected else ""
        table.add_row(row.name, *cells, *blocks, newest)
    return table


async def steps_table(
    conversations: Sequence[Conversation], every: int, tick: Callable[[], None]
) -> Table:
    title = f"Evidence with {_STEP_WINDOW:,} + {BLOCK_TOKENS:,} tokens, without one step"
    table = Table(title=title, title_justify="left")
    table.add_column("the ranking")
    table.add_column("evidence", justify="right")
    for name, step in STEPS.items():
        found = [
            await recalled(one, step, _STEP_WINDOW, BLOCK_TOKENS, every=every, tick=tick)
            for one in conversations
        ]
        table.add_row(name, f"{_sum(found).share:.1%}")
    return table


def _sum(found: Sequence[Prompts]) -> Prompts:
    total = Prompts()
    for one in found:
        for name, number in vars(one).items():
            setattr(total, name, getattr(total, name) + number)
    return total
