"""A run: all pieces of work, one after the other, and what they cost beside time."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from . import footprint
from .contenders import Field
from .costs import costs
from .field import SDK_ON, contenders
from .machine import facts
from .race import race
from .report import Report
from .scale import FULL, QUICK
from .targets import verdicts
from .work import PIECES

if TYPE_CHECKING:
    from pathlib import Path

    from rich.progress import Progress

    from .figures import Figure
    from .race import Failure
    from .scale import Scale
    from .servers import Servers
    from .work import Piece

NAMES = (*(piece.name for piece in PIECES), footprint.STORED, footprint.MEMORY, footprint.IMPORT)
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
        machine = await facts(present)
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
    return await costs(servers.mongo, _NAMESPACE, field, pieces, tick)


async def _footprint(
    servers: Servers, folder: Path, effort: Effort, progress: Progress
) -> list[Figure]:
    figures: list[Figure] = []
    async with contenders(servers, folder, _FOOTPRINT_NAMESPACE) as present:
        if effort.includes(footprint.STORED):
            shown = progress.add_task(footprint.STORED, total=1)
            figures += await footprint.stored(present, effort.scale.stored_sessions)
            progress.advance(shown)
        if effort.includes(footprint.MEMORY):
            shown = progress.add_task(footprint.MEMORY, total=len(present))
            tick = partial(progress.advance, shown)
            figures += await footprint.memory(present, effort.scale.open_sessions, tick)
    if effort.includes(footprint.IMPORT):
        shown = progress.add_task(footprint.IMPORT, total=effort.scale.imports)
        figures += footprint.imports(effort.scale.imports, partial(progress.advance, shown))
    return figures
