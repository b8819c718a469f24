"""Entries of a conversation in the output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .item_text import ItemText, item_text
from .output import printable
from .times import date, iso

if TYPE_CHECKING:
    from ..policies import Entry
    from .output import Output


def print_entry(output: Output, entry: Entry, *, full: bool = False) -> None:
    """Seq, date and speaker on one line, the text below it."""
    told = item_text(entry.item, full=full)
    marks = ", pinned" if entry.is_pinned else ""
    head = f"{entry.seq:>6,}  {date(entry.created_at)}  "
    tokens = f"  ({entry.tokens:,} tokens{marks})" if entry.tokens or marks else ""
    print_item(output, head, told, tokens)


def print_item(output: Output, head: str, told: ItemText, tail: str) -> None:
    """Head, speaker and tail on one line, the text indented below it."""
    if not output.is_terminal:
        output.line(f"{head}{told.speaker}{tail}")
        output.line("\n".join(f"        {line}" for line in told.text.splitlines() or [""]))
        return
    from rich.padding import Padding  # noqa: PLC0415 - a pipe needs no rich
    from rich.text import Text  # noqa: PLC0415

    speaker = (printable(told.speaker), told.style or "bold")
    output.render(Text.assemble((head, "dim"), speaker, (tail, "dim")))
    output.render(Padding(Text(printable(told.text), told.style.replace("bold", "")), (0, 0, 0, 8)))


def record_of(entry: Entry, **more: object) -> dict[str, Any]:
    """An entry as an object of JSON."""
    return {
        "seq": entry.seq,
        "created_at": iso(entry.created_at),
        "turn": entry.turn,
        "tokens": entry.tokens,
        "is_pinned": entry.is_pinned,
        "item": entry.item,
        **more,
    }
