"""A history around another one: for a policy that shows another policy a changed history."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection

    from .policy import Entry, Found, History, Item, Summary


class WrappedHistory:
    """A :class:`History` that passes everything on. A subclass overrides what it changes."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.session_id = history.session_id
        self.pinned_tokens = history.pinned_tokens

    @property
    def overhead_tokens(self) -> int:
        return self.history.overhead_tokens

    def newest_first(self, before_seq: int | None = None) -> AsyncIterator[Entry]:
        return self.history.newest_first(before_seq)

    def oldest_first(self, after_seq: int = 0) -> AsyncIterator[Entry]:
        return self.history.oldest_first(after_seq)

    async def find(self, ids: Collection[str], before_seq: int) -> list[Entry]:
        return await self.history.find(ids, before_seq)

    async def search(
        self, query: str, *, before_seq: int | None = None, limit: int = 20, seconds: float = 2.0
    ) -> list[Found]:
        return await self.history.search(query, before_seq=before_seq, limit=limit, seconds=seconds)

    async def latest_summary(self) -> Entry | None:
        return await self.history.latest_summary()

    async def claim(self, entry: Entry, seconds: float) -> bool:
        return await self.history.claim(entry, seconds)

    async def back_off(self, entry: Entry, seconds: float, reason: str = "") -> None:
        await self.history.back_off(entry, seconds, reason)

    async def release(self, entry: Entry) -> None:
        await self.history.release(entry)

    async def save_summary(self, entry: Entry, summary: Summary) -> bool:
        return await self.history.save_summary(entry, summary)

    async def run_in_background(self, work: Callable[[], Awaitable[bool]], seconds: float) -> None:
        await self.history.run_in_background(work, seconds)

    def skip_maintenance_until(self, total_tokens: int) -> None:
        self.history.skip_maintenance_until(total_tokens)

    def count_tokens(self, item: Item, /) -> int:
        return self.history.count_tokens(item)
