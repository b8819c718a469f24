"""A window: the entries that are shown, which are valid input by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from .structure import Structure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .cuts import Cut
    from .policy import Entry, Item


@dataclass(frozen=True)
class Window:
    """Entries that an API accepts together, oldest first."""

    entries: list[Entry]
    is_whole: bool = False
    """True if no entry was dropped to fit the budget."""

    @cached_property
    def tokens(self) -> int:
        return sum(entry.tokens for entry in self.entries)

    @property
    def items(self) -> list[Item]:
        return [entry.item for entry in self.entries]

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
        if brought := self.brought_along(position):
            return Stretch([*brought, *entries]).window(0)
        kept = self._kept[position:]
        return Window([entry for entry, valid in zip(entries, kept, strict=True) if valid])

    def newest_group(self) -> Window:
        """The last item; or the last model response, with its calls and outputs."""
        return self.window(list(self.cuts(before=None))[-1].position)

    @cached_property
    def _kept(self) -> list[bool]:
        # No pair crosses the position of a window that brings nothing along: an entry is valid in
        # the window if, and only if, it is valid in the stretch.
        return self._structure.kept()
