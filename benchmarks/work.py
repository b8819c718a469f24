"""What is measured: every piece of work, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import alone, crowds, processes, turn
from .race import Pace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .contenders import Field
    from .race import Lane


@dataclass(frozen=True)
class Piece:
    """Work that is raced in the same rounds: what is compared belongs together."""

    name: str
    prepare: Callable[[Field, int], Awaitable[list[Lane]]]
    """Makes the lanes, for so many operations each."""
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
    Piece("Runner turn", turn.turns, Pace(20, 2), _QUICK),
    Piece("at once", crowds.sessions_at_once, Pace(5, 1, warm_up=1), _QUICK_CROWD, has_costs=False),
    Piece("writers", crowds.writers, Pace(5, 1, warm_up=1), _QUICK_CROWD, has_costs=False),
    Piece("processes", processes.writers, Pace(15, 1, warm_up=1), _QUICK_CROWD, has_costs=False),
)
