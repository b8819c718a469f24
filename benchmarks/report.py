"""The report: a progress bar, tables for people, JSON for machines."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from .race import find

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import RenderableType

    from .race import Failure, Figure
    from .targets import Verdict


def progress_bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


@dataclass(frozen=True)
class Report:
    """All that a run has found."""

    is_quick: bool
    machine: Mapping[str, object]
    guarantees: Mapping[str, str]
    """By contender."""
    left_out: Mapping[str, str]
    """By contender: why."""
    figures: Sequence[Figure]
    verdicts: Sequence[Verdict]
    failures: Sequence[Failure]

    def as_json(self) -> dict[str, object]:
        return {
            "quick": self.is_quick,
            "machine": self.machine,
            "guarantees": self.guarantees,
            "left_out": self.left_out,
            "figures": [asdict(figure) for figure in self.figures],
            "targets": [{**asdict(v), "met": v.is_met} for v in self.verdicts],
            "failures": [failure._asdict() for failure in self.failures],
        }

    def tables(self) -> RenderableType:
        return Group(*self._parts())

    def _parts(self) -> Iterator[RenderableType]:
        for measure in dict.fromkeys(figure.measure for figure in self.figures):
            yield _figures_table(measure, [f for f in self.figures if f.measure == measure])
        if self.verdicts:
            yield _targets_table(self.verdicts)
        yield _notes("When a write returns, it is", self.guarantees)
        yield _notes("Measured on", {name: _listed(fact) for name, fact in self.machine.items()})
        if self.left_out:
            yield _notes("Left out", self.left_out)
        if self.failures:
            failed = {f"{f.contender}, {f.work}": f.error for f in self.failures}
            yield _notes("Failed", failed)
        if self.is_quick:
            yield Text("A quick run shows that all works; its figures mean nothing.", "yellow")


def _figures_table(measure: str, figures: Sequence[Figure]) -> Table:
    """Work by contender: the median, and from the 10th to the 90th percentile."""
    title = f"{measure.capitalize()} ({figures[0].unit})"
    table = Table(title=title, title_justify="left", show_lines=any(f.n > 1 for f in figures))
    table.add_column("")
    contenders = list(dict.fromkeys(figure.contender for figure in figures))
    for contender in contenders:
        table.add_column(contender, justify="right", no_wrap=True)
    for work in dict.fromkeys(figure.work for figure in figures):
        cells = [find(figures, measure, work, contender) for contender in contenders]
        table.add_row(work, *map(_cell, cells))
    return table


def _cell(figure: Figure | None) -> Text:
    if figure is None:
        return Text("")
    cell = Text(_short(figure.median))
    if figure.n > 1:
        cell.append(f"\n{_short(figure.p10)}-{_short(figure.p90)}", "dim")
    return cell


def _targets_table(verdicts: Sequence[Verdict]) -> Table:
    met = sum(verdict.is_met for verdict in verdicts)
    title = f"Targets: {met} of {len(verdicts)} met (ratio of medians, quartiles of the rounds')"
    table = Table(title=title, title_justify="left")
    for name in ("work", "contender", "against"):
        table.add_column(name)
    for name in ("ratio", "in half of the rounds", "target", ""):
        table.add_column(name, justify="right")
    for verdict in verdicts:
        measured, against = verdict.target.measured, verdict.target.against
        other = against.contender if against.work == measured.work else against.work
        table.add_row(
            measured.work,
            measured.contender,
            other,
            f"{verdict.ratio:.2f}",
            f"{verdict.low:.2f}-{verdict.high:.2f}",
            f"≤ {verdict.target.limit:.2f}",
            Text("met", "green") if verdict.is_met else Text("missed", "bold red"),
        )
    return table


def _notes(title: str, notes: Mapping[str, str]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False, box=None)
    for name, note in notes.items():
        table.add_row(name, note)
    return table


def _listed(fact: object) -> str:
    if isinstance(fact, dict):
        return ", ".join(f"{name} {value}" for name, value in fact.items())
    if isinstance(fact, list):
        return ", ".join(fact)
    return str(fact)


def _short(value: float) -> str:
    """Three digits that mean something."""
    if value >= 100 or value == int(value):  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"  # noqa: PLR2004
