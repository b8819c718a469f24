"""Draws an explanation with rich. Imported only when rich asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from .rows import BLOCKS, Bar, Numbers, Sentence, Title, plural
from .text import cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from .rows import Row

_STYLES = {
    "summary": "magenta",
    "verbatim": "green",
    "trimmed": "yellow",
    "added": "cyan",
    "free": "bright_black",
}


def rendered(rows: Sequence[Row]) -> RenderableType:
    """The rows as one renderable: consecutive numbers, and sentences, are aligned in tables."""
    parts: list[RenderableType] = []
    table: Table | None = None
    kind: type[Numbers | Sentence] | None = None
    for row in rows:
        if not isinstance(row, (Numbers, Sentence)):
            table = None
            parts.append(_above(row))
            continue
        if table is None or kind is not type(row):
            kind = type(row)
            table = _table(kind)
            parts.append(table)
        if isinstance(row, Numbers):
            _add_numbers(table, row)
        else:
            table.add_row(
                "" if row.is_part else row.label, ("  " if row.is_part else "") + row.text
            )
    return Group(*parts)


def _above(row: Title | Bar | None) -> RenderableType:
    if isinstance(row, Title):
        return Text.assemble((row.text, "bold"), f": {row.rest}")
    if isinstance(row, Bar):
        bar = [(BLOCKS[name] * count, _STYLES[name]) for name, count in cells(row.parts)]
        return Text.assemble("\n", *bar, "\n", row.text)
    return Text()


def _table(kind: type[Numbers | Sentence]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    if kind is Sentence:
        table.add_column(style="bold", no_wrap=True)
        table.add_column()
        return table
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="bright_black")
    return table


def _add_numbers(table: Table, row: Numbers) -> None:
    if row.is_sum:
        label = Text(row.label, "bold")
    else:
        mark = (BLOCKS[row.block], _STYLES[row.block]) if row.block else " "
        label = Text.assemble("  ", mark, f" {row.label}")
    table.add_row(
        label, f"{row.items:,} {plural('item', row.items)}", f"{row.tokens:,} tokens", row.note
    )
