"""A race: contenders take turns, each operation is timed, and the times become figures."""

from __future__ import annotations

import gc
import random
import time
from collections import defaultdict
from dataclasses import dataclass
from statistics import median, quantiles
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    Operation = Callable[[], Awaitable[object]]


TIME = "time"
ROUND_TRIPS = "round trips"
DOCUMENTS_EXAMINED = "documents examined"


@dataclass(frozen=True, slots=True)
class Figure:
    measure: str
    work: str
    contender: str
    unit: str
    n: int
    """Samples."""
    median: float
    p10: float
    p90: float
    rounds: list[float]
    """The median of each round. Medians of the same round are comparable between contenders."""

    @classmethod
    def of(
        cls, measure: str, work: str, contender: str, unit: str, rounds: Sequence[Sequence[float]]
    ) -> Figure:
        samples = [sample for one in rounds for sample in one]
        deciles = quantiles(samples, n=10, method="inclusive") if len(samples) > 1 else samples
        return cls(
            measure,
            work,
            contender,
            unit,
            len(samples),
            median(samples),
            deciles[0],
            deciles[-1],
            [median(one) for one in rounds],
        )

    @classmethod
    def exact(cls, measure: str, work: str, contender: str, unit: str, value: float) -> Figure:
        """Of what is counted, and not timed."""
        return cls.of(measure, work, contender, unit, [[value]])


def find(figures: Sequence[Figure], measure: str, work: str, contender: str) -> Figure | None:
    wanted = (measure, work, contender)
    return next((f for f in figures if (f.measure, f.work, f.contender) == wanted), None)


_SEED = 2026


class Lane(NamedTuple):
    """One contender at one piece of work."""

    work: str
    contender: str
    operation: Operation


class Pace(NamedTuple):
    """How much is measured."""

    rounds: int
    operations: int
    """Of each lane in each round."""
    warm_up: int = 2
    """Rounds before them, which are not timed."""

    @property
    def operations_in_all(self) -> int:
        return (self.warm_up + self.rounds) * self.operations


class Failure(NamedTuple):
    work: str
    contender: str
    error: str


async def race(
    lanes: Sequence[Lane], pace: Pace, tick: Callable[[], object]
) -> tuple[list[Figure], list[Failure]]:
    """Time all lanes in rounds; a lane that fails leaves the race.

    Each round has a random order, so that no lane always follows the same one, whose threads and
    connections may still be active.
    """
    chance = random.Random(_SEED)
    samples: dict[Lane, list[list[float]]] = defaultdict(list)
    failures: dict[Lane, Failure] = {}
    # Later collections skip all present objects, 100,000 items among them.
    gc.collect()
    gc.freeze()
    for number in range(-pace.warm_up, pace.rounds):
        for lane in chance.sample(lanes, len(lanes)):
            if lane in failures:
                continue
            try:
                times = await _timed(lane.operation, pace.operations)
            except Exception as error:  # noqa: BLE001 - of any driver, server or peer
                what = f"{type(error).__name__}: {error}"
                failures[lane] = Failure(lane.work, lane.contender, what)
                continue
            if number >= 0:
                samples[lane].append(times)
        tick()
    gc.unfreeze()
    figures = [
        Figure.of(TIME, lane.work, lane.contender, "ms", samples[lane])
        for lane in lanes
        if samples[lane]
    ]
    return figures, list(failures.values())


async def _timed(operation: Operation, times: int) -> list[float]:
    """Milliseconds of each; garbage is collected before them, while no clock runs."""
    taken = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(times):
            start = time.perf_counter()
            await operation()
            taken.append((time.perf_counter() - start) * 1_000)
    finally:
        gc.enable()
    return taken
