"""The log of one session, as a policy sees it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bson import ObjectId

from .documents import to_entry, unpack
from .policies.policy import MOST_FOUND

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator

    from typing_extensions import Self

    from .background import Background
    from .count_check import CountCheck
    from .documents import Document
    from .known import Known
    from .log import Log
    from .places import Page
    from .policies import Entry, Item, Summary, TokenCounter

# Documents per round trip: few for a policy that stops soon, more for one that goes on.
_FIRST_CHUNK, _LARGEST_CHUNK = 100, 2_000


class SessionHistory:
    """A :class:`~mongo_sessions.policies.History` that reads in chunks.

    Each chunk is a query of its own, that ends with its answer: no cursor stays open when a policy
    stops in the middle, and a failed one can be read again.
    """

    def __init__(
        self,
        log: Log,
        session_id: str,
        *,
        count_tokens: TokenCounter,
        background: Background,
        known: Known,
        count_check: CountCheck,
    ) -> None:
        self._log = log
        self.session_id = session_id
        self._count_tokens = count_tokens
        self._background = background
        self._known = known
        self._count_check = count_check
        self._claimant = ObjectId()

    def newest_first(self, before_seq: int | None = None) -> AsyncIterator[Entry]:
        async def read(chunk: int, before: int | None) -> Page:
            page = await self._newest(chunk, before)
            if page.documents and before is None and not self._known.counts_are_checked:
                self._known.counts_are_checked = await self._count_check.check(
                    self.session_id, page.documents[0]
                )
            return page

        return _Chunked(read, self._entries, before_seq)

    def oldest_first(self, after_seq: int = 0) -> AsyncIterator[Entry]:
        async def read(chunk: int, after: int | None) -> Page:
            return await self._log.oldest(self.session_id, chunk, after or 0)

        return _Chunked(read, self._entries, after_seq)

    async def newest_documents(self, limit: int | None) -> list[Document]:
        """The documents of the newest ``limit`` items (None: all), oldest first."""
        found: list[Document] = []
        chunk, before = 0, None
        while limit is None or len(found) < limit:
            missing = _LARGEST_CHUNK if limit is None else limit - len(found)
            # Where items were removed, a chunk has fewer than were asked for.
            chunk = min(max(missing, 2 * chunk), _LARGEST_CHUNK)
            page = await self._newest(chunk, before)
            found += page.documents
            before = page.last_seq
            if before is None:
                break
        return found[:limit][::-1]

    async def newest_items(self, limit: int | None) -> list[Item]:
        """The newest ``limit`` items (None: all), oldest first."""
        return [unpack(document["item"]) for document in await self.newest_documents(limit)]

    def forget(self) -> None:
        """Items are removed."""
        self._known.forget()

    async def find(self, ids: Collection[str], before_seq: int) -> list[Entry]:
        documents = await self._log.find(self.session_id, ids, before_seq, MOST_FOUND)
        return list(await self._entries(documents[::-1]))

    async def latest_summary(self) -> Entry | None:
        document = await self._log.claims.latest_summary(self.session_id)
        return None if document is None else next(await self._entries([document]))

    async def claim(self, entry: Entry, seconds: float) -> bool:
        return await self._log.claims.claim(self.session_id, entry.id, self._claimant, seconds)

    async def back_off(self, entry: Entry, seconds: float) -> None:
        await self._log.claims.back_off(self.session_id, entry.id, self._claimant, seconds)

    async def release(self, entry: Entry) -> None:
        await self._log.claims.release(self.session_id, entry.id, self._claimant)

    async def save_summary(self, entry: Entry, summary: Summary) -> bool:
        return await self._log.claims.save_summary(
            self.session_id, entry.id, self._claimant, summary
        )

    async def run_aside(self, work: Callable[[], Awaitable[bool]], seconds: float) -> None:
        await self._background.join(self.session_id, work, seconds)

    def maintain_from(self, total_tokens: int) -> None:
        self._known.maintain_from = total_tokens

    def count_tokens(self, item: Item) -> int:
        return self._count_tokens(item)

    async def _newest(self, chunk: int, before_seq: int | None) -> Page:
        page, head = await self._log.newest(self.session_id, chunk, before_seq)
        if before_seq is None:
            self._known.head = head
        return page

    async def _entries(self, documents: list[Document]) -> Iterator[Entry]:
        """One after the other as they are asked for: a policy may stop at any."""
        entries = (to_entry(document, self._count_tokens) for document in documents)
        if all("tokens" in document for document in documents):
            return entries
        return iter(await asyncio.to_thread(list, entries))  # it counts, and may load a vocabulary


class _Chunked:
    """Entries, read a chunk at a time.

    No generator: one that is left in the middle has to be closed by its event loop, which may have
    ended by then.
    """

    def __init__(
        self,
        read: Callable[[int, int | None], Awaitable[Page]],
        convert: Callable[[list[Document]], Awaitable[Iterator[Entry]]],
        seq: int | None,
    ) -> None:
        self._read = read
        self._convert = convert
        self._chunk = _FIRST_CHUNK
        self._entries: Iterator[Entry] = iter(())
        self._seq = seq
        self._has_ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Entry:
        entry = next(self._entries, None)
        while entry is None and not self._has_ended:
            page = await self._read(self._chunk, self._seq)
            self._seq, self._has_ended = page.last_seq, page.last_seq is None
            self._chunk = min(2 * self._chunk, _LARGEST_CHUNK)
            self._entries = await self._convert(page.documents)
            entry = next(self._entries, None)
        if entry is None:
            raise StopAsyncIteration
        return entry
