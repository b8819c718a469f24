"""A run: all pieces of work, one after the other, and their other costs."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from . import alone, costs, crowds
from .contenders import SDK_ON, Field
from .field import contenders
from .race import Pace, race
from .report import Report
from .targets import verdicts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from rich.progress import Progress

    from .race import Failure, Figure, Lane
    from .servers import Servers


@dataclass(frozen=True, slots=True)
class Scale:
    sizes: tuple[int, ...]
    """Lengths of the sessions that are read, the shortest first."""
    sessions_at_once: int
    written_by_each: int
    """Batches, where many write to one session."""
    processes: int
    """That write to one session."""
    stored_sessions: int
    """Of 100 items, to see how many bytes they take."""
    open_sessions: int
    """To see how much memory they take."""
    imports: int
    """Processes that are started to be timed."""


FULL = Scale(
    sizes=(100, 10_000, 100_000),
    sessions_at_once=200,
    written_by_each=10,
    processes=4,
    stored_sessions=20,
    open_sessions=500,
    imports=9,
)
QUICK = Scale(
    sizes=(100, 2_000),
    sessions_at_once=10,
    written_by_each=1,
    processes=2,
    stored_sessions=1,
    open_sessions=20,
    imports=2,
)


@dataclass(frozen=True)
class Piece:
    """Work that is raced in the same rounds: what is compared belongs together."""

    name: str
    prepare: Callable[[Field, int], Awaitable[list[Lane]]]
    """Makes the lanes, for a number of operations each."""
    pace: Pace
    quick: Pace
    has_costs: bool = True
    """Whether to count what one operation asks of the server: not of a crowd's."""

    def pace_of(self, *, quick: bool) -> Pace:
        return self.quick if quick else self.pace

    async def lanes(self, field: Field, pace: Pace) -> list[Lane]:
        return await self.prepare(field, pace.operations_in_all)


_QUICK = Pace(2, 2, warm_up=1)
_QUICK_CROWD = Pace(2, 1, warm_up=0)

PIECES = (
    Piece("append", alone.append, Pace(30, 8), _QUICK),
    Piece("append by a new session object", alone.append_anew, Pace(15, 4), _QUICK),
    Piece("newest 50", alone.newest, Pace(20, 6), _QUICK),
    Piece("all of 1,000", alone.everything, Pace(15, 2), _QUICK),
    Piece("view", alone.view, Pace(30, 6), _QUICK),
    Piece("pop", alone.pop, Pace(30, 8), _QUICK),
    Piece("Runner turn", alone.turns, Pace(20, 2), _QUICK),
    Piece("at once", crowds.sessions_at_once, Pace(5, 1, warm_up=1), _QUICK_CROWD, has_costs=False),
    Piece("writers", crowds.writers, Pace(5, 1, warm_up=1), _QUICK_CROWD, has_costs=False),
    Piece("processes", crowds.in_processes, Pace(15, 1, warm_up=1), _QUICK_CROWD, has_costs=False),
)


NAMES = (*(piece.name for piece in PIECES), costs.STORED, costs.MEMORY, costs.IMPORT)
_NAMESPACE, _FOOTPRINT_NAMESPACE = "bench", "bench_footprint"


@dataclass(frozen=True)
class Effort:
    """How much a run takes upon itself, and which part of it."""

    quick: bool
    only: str

    @property
    def scale(self) -> Scale:
        return QUICK if self.quick else FULL

    @property
    def pieces(self) -> list[Piece]:
        return [piece for piece in PIECES if self.includes(piece.name)]

    def includes(self, name: str) -> bool:
        return self.only in name

    def check(self) -> None:
        """Raise ValueError if nothing is left to be measured."""
        if not any(map(self.includes, NAMES)):
            raise ValueError(f"no work has {self.only!r} in its name: {', '.join(NAMES)}")


async def run(servers: Servers, folder: Path, effort: Effort, progress: Progress) -> Report:
    """Measure all that ``effort`` includes; ``folder`` is for what is kept in files."""
    async with (
        contenders(servers, folder, _NAMESPACE) as present,
        AsyncExitStack() as ends,
    ):
        field = Field(present, effort.scale, servers.mongo, _NAMESPACE, ends)
        figures, failures = await _race_all(field, effort, progress)
        figures += await _costs(servers, field, effort, progress)
        machine = await costs.machine(present)
        guarantees = {contender.name: contender.guarantee for contender in present}
    figures += await _footprint(servers, folder, effort, progress)
    return Report(
        is_quick=effort.quick,
        machine=machine,
        guarantees=guarantees,
        left_out={SDK_ON[server]: why for server, why in servers.missing.items()},
        figures=figures,
        verdicts=verdicts(figures, effort.scale),
        failures=failures,
    )


async def _race_all(
    field: Field, effort: Effort, progress: Progress
) -> tuple[list[Figure], list[Failure]]:
    figures: list[Figure] = []
    failures: list[Failure] = []
    for piece in effort.pieces:
        pace = piece.pace_of(quick=effort.quick)
        shown = progress.add_task(piece.name, total=pace.warm_up + pace.rounds)
        lanes = await piece.lanes(field, pace)
        timed, failed = await race(lanes, pace, partial(progress.advance, shown))
        figures += timed
        failures += failed
    return figures, failures


async def _costs(
    servers: Servers, field: Field, effort: Effort, progress: Progress
) -> list[Figure]:
    pieces = [piece for piece in effort.pieces if piece.has_costs]
    shown = progress.add_task("round trips, documents examined", total=len(pieces))
    tick = partial(progress.advance, shown)
    return await costs.commands(servers.mongo, _NAMESPACE, field, pieces, tick)


async def _footprint(
    servers: Servers, folder: Path, effort: Effort, progress: Progress
) -> list[Figure]:
    figures: list[Figure] = []
    async with contenders(servers, folder, _FOOTPRINT_NAMESPACE) as present:
        if effort.includes(costs.STORED):
            shown = progress.add_task(costs.STORED, total=1)
            figures += await costs.stored(present, effort.scale.stored_sessions)
            progress.advance(shown)
        if effort.includes(costs.MEMORY):
            shown = progress.add_task(costs.MEMORY, total=len(present))
            tick = partial(progress.advance, shown)
            figures += await costs.memory(present, effort.scale.open_sessions, tick)
    if effort.includes(costs.IMPORT):
        shown = progress.add_task(costs.IMPORT, total=effort.scale.imports)
        figures += costs.imports(effort.scale.imports, partial(progress.advance, shown))
    return figures
