"""Markers where much time has passed between two turns of a view."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from .around import PolicyAround
from .in_run import policy_in_run
from .names import name_of
from .policy import NeedsTokenCounts
from .structure import allowed_cuts
from .view import Added, Changed, view_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from .policy import History, Item, RetrievalPolicy
    from .view import Part, View


class GapMarkers(PolicyAround):
    """Show what another policy shows, with a marker in front of a turn after a long pause.

    A marker is a user message of one line: ``(Note: 2 days later, 2026-11-24)``. It depends on the
    stored dates alone, so it stands still. It stands in front of a user message, never between
    a call and its output, and not in front of a new input, which is not stored yet: from the next
    turn on, that has its marker.

    The markers come on top of the budget of ``policy``: about 19 tokens each.

    Args:
        policy: Decides what is shown.
        longer_than: The shortest pause that is marked, at least a minute.

    Raises:
        TypeError: ``policy`` is not a coroutine function, or ``longer_than`` not a timedelta.
        ValueError: ``longer_than`` is shorter than a minute.
    """

    def __init__(
        self, policy: RetrievalPolicy, *, longer_than: timedelta = timedelta(hours=6)
    ) -> None:
        super().__init__(policy)
        if not isinstance(longer_than, timedelta):
            raise TypeError(f"longer_than must be a timedelta, got {longer_than!r}")
        if longer_than < timedelta(minutes=1):
            raise ValueError(f"longer_than must be at least a minute, got {longer_than!r}")
        self.longer_than = longer_than
        if isinstance(policy, NeedsTokenCounts):
            self.max_tokens = policy.max_tokens

    def __repr__(self) -> str:
        return f"{type(self).__name__}({name_of(self.policy)}, longer_than={self.longer_than})"

    async def view(self, history: History, /) -> View:
        """The view, with its markers as added items of the kind ``"gap"``."""
        shown = await view_of(self.policy, history)
        return replace(shown, parts=self._marked(shown.parts))

    def in_run(self) -> RetrievalPolicy:
        """What ``policy`` does inside a run, where the items have no dates: no marker is added."""
        return policy_in_run(self.policy)

    def _marked(self, parts: Sequence[Part]) -> list[Part]:
        items = [part.item for part in parts]
        # The cuts before user messages: a marker elsewhere could be taken for the newest of them.
        allowed = {cut.position for cut in allowed_cuts(items, before=None) if cut.starts_turn}
        marked: list[Part] = []
        before: datetime | None = None
        for index, part in enumerate(parts):
            date = _date(part)
            if date and before and index in allowed and date - before >= self.longer_than:
                marked.append(Added(_marker(date - before, date), "gap"))
            marked.append(part)
            before = date or before
        return marked


def _date(part: Part) -> datetime | None:
    """When the item was stored; None if it is not."""
    if isinstance(part, Added):
        return None
    return (part.entry if isinstance(part, Changed) else part).created_at


def _marker(pause: timedelta, date: datetime) -> Item:
    return {"role": "user", "content": f"(Note: {_in_words(pause)} later, {date:%Y-%m-%d})"}


def _in_words(pause: timedelta) -> str:
    minutes = int(pause.total_seconds()) // 60
    for unit, length in (("day", 1_440), ("hour", 60), ("minute", 1)):
        if (number := minutes // length) > 1 or unit == "minute":
            break
    return f"{number} {unit}{'' if number == 1 else 's'}"
