"""The tables of the demo: a row for each turn, and the totals."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.table import Table
from script import FACTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from columns import Column

ROWS_SHOWN = 15


class Row(NamedTuple):
    turn: int
    stored: int
    sent: list[int]
    """Tokens sent, by policy."""


def turns_table(rows: Sequence[Row], columns: Sequence[Column]) -> Table:
    table = Table(title="Tokens sent to the model in a turn", title_justify="left")
    for name in ("turn", "tokens stored", *(column.name for column in columns)):
        table.add_column(name, justify="right")
    for row in rows[-ROWS_SHOWN:]:
        table.add_row(*(f"{number:,}" for number in (row.turn, row.stored, *row.sent)))
    return table


def totals_table(columns: Sequence[Column], max_tokens: int) -> Table:
    """The totals of each column, compared with the first column."""
    table = Table(title=f"Totals, with {max_tokens:,} tokens for a view", title_justify="left")
    table.add_column("")
    for column in columns:
        table.add_column(column.name, justify="right")
    costs = [_all_tokens(column) for column in columns]
    figures = {
        "model calls": [f"{c.meter.calls:,}" for c in columns],
        "tokens sent to the model": [f"{c.meter.sent:,}" for c in columns],
        "  as in the prompt before": [f"{c.meter.same / c.meter.sent:.1%}" for c in columns],
        "largest view": [f"{c.meter.largest_view:,}" for c in columns],
        "summariser calls": [f"{c.summarizer.calls:,}" if c.summarizer else "" for c in columns],
        "  tokens given": [f"{c.summarizer.given:,}" if c.summarizer else "" for c in columns],
        "  tokens returned": [
            f"{c.summarizer.returned:,}" if c.summarizer else "" for c in columns
        ],
        "all these tokens together": [f"{cost / costs[0]:.1%}" for cost in costs],
        "facts still known": [f"{c.facts_known} of {len(FACTS)}" for c in columns],
    }
    for name, cells in figures.items():
        table.add_row(name, *cells)
    return table


def _all_tokens(column: Column) -> int:
    paid = column.summarizer
    return column.meter.sent + (paid.given + paid.returned if paid else 0)
