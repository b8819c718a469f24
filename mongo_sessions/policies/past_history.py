"""A history as it was when an earlier view was made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .read_only_history import ReadOnlyHistory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection

    from typing_extensions import Self

    from .policy import Entry, History


class PastHistory(ReadOnlyHistory):
    """The entries up to ``seen``, with the one summary that was shown, if any.

    Only what is still stored can be seen: not an item that was removed since.

    Args:
        history: The history as it is now.
        seen: Seq of the newest entry at that time; 0 if there was none.
        anchor: Seq of the entry that carried the summary; None if none was shown.
        overhead_tokens: As it was known at that time.
    """

    def __init__(
        self, history: History, *, seen: int, anchor: int | None, overhead_tokens: int
    ) -> None:
        super().__init__(history)
        self._seen = seen
        self._anchor = anchor
        self._overhead_tokens = overhead_tokens

    @property
    def overhead_tokens(self) -> int:
        return self._overhead_tokens

    def newest_first(self, before_seq: int | None = None) -> AsyncIterator[Entry]:
        end = self._seen + 1 if before_seq is None else min(before_seq, self._seen + 1)
        return _Changed(self.history.newest_first(end), self._as_it_was)

    def oldest_first(self, after_seq: int = 0) -> AsyncIterator[Entry]:
        return _Changed(self.history.oldest_first(after_seq), self._as_it_was)

    async def find(self, ids: Collection[str], before_seq: int) -> list[Entry]:
        found = await self.history.find(ids, min(before_seq, self._seen + 1))
        return [self._without_later_summary(entry) for entry in found]

    async def latest_summary(self) -> Entry | None:
        if self._anchor is None:
            return None
        entry = await anext(self.history.newest_first(self._anchor + 1), None)
        return entry if entry is not None and entry.seq == self._anchor else None

    def _as_it_was(self, entry: Entry) -> Entry | None:
        return None if entry.seq > self._seen else self._without_later_summary(entry)

    def _without_later_summary(self, entry: Entry) -> Entry:
        if entry.seq == self._anchor or (entry.summary is None and entry.claim is None):
            return entry
        # An older summary was covered by the one that was shown: a policy stops before it.
        return replace(entry, summary=None, claim=None)


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
