"""Figures: what was measured, of which contender, and how far it spreads."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median, quantiles
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    """The median of each round: those of two contenders in the same round may be compared."""

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
