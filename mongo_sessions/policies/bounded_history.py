"""Histories with an end: up to one entry, as they are now or as they were then."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .read_only_history import ReadOnlyHistory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection

    from typing_extensions import Self

    from .policy import Entry, History


class BoundedHistory(ReadOnlyHistory):
    """The entries up to ``last_seq``: whatever is added meanwhile, every read sees the same."""

    def __init__(self, history: History, last_seq: int) -> None:
        super().__init__(history)
        self.last_seq = last_seq

    def newest_first(self, before_seq: int | None = None) -> AsyncIterator[Entry]:
        return _Changed(self.history.newest_first(self._end(before_seq)), self.changed)

    def oldest_first(self, after_seq: int = 0) -> AsyncIterator[Entry]:
        return _Changed(self.history.oldest_first(after_seq), self._within)

    async def find(self, ids: Collection[str], before_seq: int) -> list[Entry]:
        found = await self.history.find(ids, self._end(before_seq))
        return [self.changed(entry) for entry in found]

    def changed(self, entry: Entry) -> Entry:
        """The entry as a reader of this history sees it."""
        return entry

    def _end(self, before_seq: int | None) -> int:
        end = self.last_seq + 1
        return end if before_seq is None else min(before_seq, end)

    def _within(self, entry: Entry) -> Entry | None:
        return self.changed(entry) if entry.seq <= self.last_seq else None


class PastHistory(BoundedHistory):
    """The entries up to ``last_seq``, with the one summary that was shown then, if any.

    Only what is still stored can be seen: not an item that was removed since.

    Args:
        history: The history as it is now.
        last_seq: Seq of the newest entry at that time; 0 if there was none.
        anchor: Seq of the entry that carried the summary; None if none was shown.
        overhead_tokens: As it was known at that time.
    """

    def __init__(
        self, history: History, last_seq: int, *, anchor: int | None, overhead_tokens: int
    ) -> None:
        super().__init__(history, last_seq)
        self._anchor = anchor
        self._overhead_tokens = overhead_tokens

    @property
    def overhead_tokens(self) -> int:
        return self._overhead_tokens

    async def latest_summary(self) -> Entry | None:
        if self._anchor is None:
            return None
        entry = await anext(self.history.newest_first(self._anchor + 1), None)
        return entry if entry is not None and entry.seq == self._anchor else None

    def changed(self, entry: Entry) -> Entry:
        """Without any other summary: it was made later, or the shown one covers it."""
        if entry.seq == self._anchor or (entry.summary is None and entry.claim is None):
            return entry
        return replace(entry, summary=None, claim=None, pins=())


class _Changed:
    """Entries, each changed, up to the first that becomes None.

    Not a generator: an unfinished one has to be closed by its event loop.
    """

    def __init__(
        self, entries: AsyncIterator[Entry], change: Callable[[Entry], Entry | None]
    ) -> None:
        self._entries = entries
        self._change = change

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Entry:
        entry = self._change(await anext(self._entries))
        if entry is None:
            raise StopAsyncIteration
        return entry
