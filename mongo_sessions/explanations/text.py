"""Draws an explanation as plain text, at most 80 columns wide."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from .rows import BLOCKS, Bar, Numbers, Sentence, Title, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .rows import Row

WIDTH = 80
_BAR = 64
_LABEL = 13


def drawn(rows: Sequence[Row]) -> str:
    return "\n".join(line.rstrip() for row in rows for line in _lines(row)).strip()


def cells(parts: Sequence[tuple[str, int]], width: int = _BAR) -> list[tuple[str, int]]:
    """The number of characters of each part in a bar. Each part has at least one."""
    total = sum(tokens for _, tokens in parts)
    counts = {name: max(1, tokens * width // total) for name, tokens in parts}
    # The largest part has what rounding leaves over, or takes too much.
    largest = max(counts, key=lambda name: counts[name])
    counts[largest] += width - sum(counts.values())
    return list(counts.items())


def _lines(row: Row) -> Iterator[str]:
    match row:
        case None:
            yield ""
        case Title(text, rest):
            yield from textwrap.wrap(f"{text}: {rest}", WIDTH)
        case Bar(parts, text):
            yield ""
            yield "".join(BLOCKS[name] * count for name, count in cells(parts))
            yield text
        case Numbers():
            yield _numbers(row)
        case Sentence(label, text, is_part):
            first = " " * (_LABEL + 2) if is_part else f"{label:{_LABEL}}"
            yield from textwrap.wrap(
                text, WIDTH, initial_indent=first, subsequent_indent=" " * (_LABEL + 2 * is_part)
            )


def _numbers(row: Numbers) -> str:
    mark = BLOCKS[row.block] if row.block else " "
    label = row.label if row.is_sum else f"  {mark} {row.label}"
    note = f"  ({row.note})" if row.note else ""
    return f"{label:25}{row.items:>7,} {plural('item', row.items):5}{row.tokens:>10,} tokens{note}"
