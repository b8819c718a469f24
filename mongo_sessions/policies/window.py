"""A window: the entries that are shown, which are valid input by themselves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from .structure import Structure
from .view import CutReason, View

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .cuts import Cut
    from .policy import Entry, Item


@dataclass(frozen=True)
class Window:
    """Entries that an API accepts together, oldest first."""

    entries: list[Entry]
    start_seq: int | None = None
    """The cut: earlier calls of the window's outputs may precede it. None for an empty window."""
    reason: CutReason = CutReason.BUDGET
    """Why it begins there."""

    @cached_property
    def tokens(self) -> int:
        return sum(entry.tokens for entry in self.entries)

    @property
    def is_whole(self) -> bool:
        """Whether no entry was left out to fit a budget."""
        return self.reason is CutReason.WHOLE

    def view(self, budget: int | None) -> View:
        """The window as the view of a policy with this budget."""
        return View(self.entries, self.reason, self.start_seq, budget=budget)

    def newest_group(self) -> Window:
        """See :meth:`Stretch.newest_group`."""
        return Stretch(self.entries).newest_group()


class Stretch:
    """Consecutive entries of a history, oldest first, from which windows are cut."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries
        self._structure = Structure([entry.item for entry in entries])

    def cuts(self, before: Item | None) -> Iterator[Cut]:
        """The cuts, in order. ``before`` is the item in front of the stretch."""
        return self._structure.cuts(before)

    def without_call(self, position: int = 0) -> list[Entry]:
        """The outputs, from ``position`` on, whose call is not in the stretch."""
        return [self.entries[index] for index in self._structure.without_call(position)]

    def brought_along(self, position: int) -> list[Entry]:
        """The entries before ``position`` that a window starting there needs."""
        return [self.entries[index] for index in self._structure.brought_along(position)]

    def window(self, position: int) -> Window:
        """The valid entries from ``position`` on, after the earlier calls of their outputs."""
        entries = self.entries[position:]
        start_seq = entries[0].seq if entries else None
        if brought := self.brought_along(position):
            whole = Stretch([*brought, *entries]).window(0)
            return replace(whole, start_seq=start_seq)
        kept = self._kept[position:]
        valid = [entry for entry, is_kept in zip(entries, kept, strict=True) if is_kept]
        return Window(valid, start_seq)

    def newest_group(self) -> Window:
        """The last item; or the last model response, with its calls and outputs."""
        group = self.window(list(self.cuts(before=None))[-1].position)
        return replace(group, reason=CutReason.NEWEST_GROUP)

    @cached_property
    def _kept(self) -> list[bool]:
        # No pair crosses the position of a window that brings nothing along: an entry is valid in
        # the window if, and only if, it is valid in the stretch.
        return self._structure.kept()
