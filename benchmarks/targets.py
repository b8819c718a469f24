"""Targets for the figures: ratios of two medians in one run."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import quantiles
from typing import TYPE_CHECKING, NamedTuple

from .alone import (
    APPENDED,
    EVERYTHING_NAME,
    POP_NAME,
    TURN_NAME,
    VIEWS,
    append_name,
    newest_name,
    view_name,
)
from .contenders import BARE, OURS, SDK_MONGO
from .crowds import WRITTEN, at_once_name, processes_name, writers_name
from .race import TIME, find

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .race import Figure
    from .run import Scale


class Timed(NamedTuple):
    work: str
    contender: str


@dataclass(frozen=True, slots=True)
class Target:
    """``measured`` should take at most ``limit`` times as long as ``against``."""

    measured: Timed
    against: Timed
    limit: float


@dataclass(frozen=True, slots=True)
class Verdict:
    target: Target
    ratio: float
    low: float
    high: float
    """The quartiles of the ratios in the single rounds."""

    @property
    def is_met(self) -> bool:
        return self.ratio <= self.target.limit


LENGTH_LIMIT = 1.15
PEER_LIMITS = {
    append_name(1): 0.56,
    append_name(4): 0.75,
    append_name(20): 0.9,
    POP_NAME: 0.45,
    TURN_NAME: 0.7,
}
NEWEST_LIMIT = 0.75
WRITERS_LIMIT = 1.0
PROCESSES_LIMITS = {1: 1.1, 4: 1.75}
"""By the items in a batch."""
AT_ONCE_LIMIT = 0.7
"""On PyMongo: Motor runs each command in a thread."""
WRITE_FLOOR_LIMIT = 1.15
VIEW_FLOOR_LIMIT = 1.3
FLOOR_LIMIT = 1.25


def targets(scale: Scale) -> list[Target]:
    """For both drivers, but the crowd next to the peer: see :data:`AT_ONCE_LIMIT`."""
    return [*_next_to_the_peer(scale), *_next_to_the_driver(scale), *_whatever_the_length(scale)]


def _next_to_the_peer(scale: Scale) -> Iterator[Target]:
    limits = {
        **PEER_LIMITS,
        **{newest_name(size): NEWEST_LIMIT for size in scale.sizes},
        **{writers_name(scale, 4, items): WRITERS_LIMIT for items in WRITTEN},
        **{processes_name(scale, items): limit for items, limit in PROCESSES_LIMITS.items()},
    }
    for work, limit in limits.items():
        for ours in OURS.values():
            yield Target(Timed(work, ours), Timed(work, SDK_MONGO), limit)
    at_once = at_once_name(scale)
    yield Target(Timed(at_once, OURS["PyMongo"]), Timed(at_once, SDK_MONGO), AT_ONCE_LIMIT)


def _next_to_the_driver(scale: Scale) -> Iterator[Target]:
    limits = {
        **{append_name(items): WRITE_FLOOR_LIMIT for items in APPENDED},
        **{newest_name(size): FLOOR_LIMIT for size in scale.sizes},
        EVERYTHING_NAME: FLOOR_LIMIT,
        **{view_name(p, size): VIEW_FLOOR_LIMIT for p in VIEWS for size in scale.sizes},
        POP_NAME: WRITE_FLOOR_LIMIT,
        TURN_NAME: FLOOR_LIMIT,
        at_once_name(scale): FLOOR_LIMIT,
    }
    for work, limit in limits.items():
        for driver, ours in OURS.items():
            yield Target(Timed(work, ours), Timed(work, BARE[driver]), limit)


def _whatever_the_length(scale: Scale) -> Iterator[Target]:
    for policy in VIEWS:
        for ours in OURS.values():
            longest, shortest = (
                view_name(policy, scale.sizes[-1]),
                view_name(policy, scale.sizes[0]),
            )
            yield Target(Timed(longest, ours), Timed(shortest, ours), LENGTH_LIMIT)


def verdicts(figures: Sequence[Figure], scale: Scale) -> list[Verdict]:
    """Of all targets with both figures."""
    found = []
    for target in targets(scale):
        measured = find(figures, TIME, *target.measured)
        against = find(figures, TIME, *target.against)
        if measured is not None and against is not None:
            found.append(_verdict(target, measured, against))
    return found


def _verdict(target: Target, measured: Figure, against: Figure) -> Verdict:
    ratios = [a / b for a, b in zip(measured.rounds, against.rounds, strict=False)]
    low, _, high = quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return Verdict(target, measured.median / against.median, low, high)
