"""The printed report of a round."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from .journal import History
    from .round import Round

_SHOWN = 5  # of each kind of problem


def show(result: Round, console: Console) -> None:
    console.print(_table(result))
    for kind, problems in result.findings.wrong.items():
        for problem in problems[:_SHOWN]:
            console.print(f"[red]{kind}[/red] {problem}", soft_wrap=True)
    for problem in result.history.problems[:_SHOWN]:
        console.print(f"[red]wrong view[/red] {problem}", soft_wrap=True)
    for error, times in Counter(e.partition(": ")[2][:200] for e in result.errors).most_common(
        _SHOWN
    ):
        console.print(f"[yellow]{times} x[/yellow] {error}", soft_wrap=True)
    for shortcoming in result.shortcomings:
        console.print(f"[red]this proves too little[/red]: {shortcoming}")
    verdict = "[green]nothing" if result.is_clean else "[red]SOMETHING"
    again = f"python -m tests.torture --seconds {result.seconds:g} --seed {result.seed}"
    if not result.servers.has_transactions:
        again += " --standalone"
    console.print(f"{verdict} is wrong[/]; the same faults again: {again}", soft_wrap=True)


def _table(result: Round) -> Table:
    table = Table(
        title=f"Torture, {result.seconds:g} seconds, seed {result.seed}", show_header=False
    )
    table.add_column(no_wrap=True)
    table.add_column(justify="right")
    added = result.history.added.values()
    outcomes = Counter(a.outcome for a in added)
    table.add_row("batches tried", f"{len(added):,}")
    for outcome in ("acknowledged", "refused", "cancelled", "failed", "killed"):
        table.add_row(f"  {outcome}", f"{outcomes[outcome]:,}")
    table.add_row("items popped", f"{sum(p.mark is not None for p in result.history.popped):,}")
    unheard = sum(p.outcome != "acknowledged" for p in result.history.popped)
    table.add_row("pops with an unknown outcome", f"{unheard:,}")
    table.add_row("clears", _tried(result.history.cleared))
    table.add_row("replacements", _tried(result.history.replaced))
    table.add_row("rewinds", _tried(result.history.rewound))
    table.add_row("forks", _tried(result.history.forked))
    table.add_row("redactions", _tried(result.history.redacted))
    deleted = result.history.deleted
    table.add_row("deletions", _tried(d for d in deleted if d.owner is None))
    table.add_row("deletions of an owner", _tried(d for d in deleted if d.owner is not None))
    table.add_row("edits refused", f"{_refused(result.history):,}")
    table.add_row("views read", f"{result.history.views:,}")
    table.add_section()
    table.add_row("elections", f"{result.elections}")
    for kind in result.servers.kinds.all:
        table.add_row(f"  {kind}", f"{result.faults[kind]}")
    table.add_section()
    table.add_row("items checked", f"{result.findings.items:,}")
    table.add_row("items in copies", f"{result.findings.copied:,}")
    table.add_row("places without an item", f"{result.findings.removed:,}")
    table.add_row("items polled", f"{result.findings.seen:,}")
    table.add_row("summaries checked", f"{result.findings.summaries:,}")
    for kind, problems in result.findings.wrong.items():
        table.add_row(f"  {kind}", f"{len(problems):,}")
    table.add_row("  wrong view", f"{len(result.history.problems):,}")
    return table


def _refused(history: History) -> int:
    edits = [*history.rewound, *history.forked, *history.deleted]
    return sum(edit.outcome == "refused" for edit in edits)


def _tried(operations: Iterable[Any]) -> str:
    outcomes = Counter(operation.outcome for operation in operations)
    return f"{outcomes['acknowledged']:,} of {outcomes.total() - outcomes['refused']:,}"
