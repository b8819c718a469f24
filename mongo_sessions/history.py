"""The log of one session, as a policy sees it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bson import ObjectId

from .documents import Head, to_entry, unpack
from .policies.policy import MOST_FOUND

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator

    from typing_extensions import Self

    from .background import Background
    from .count_check import CountCheck
    from .documents import Document
    from .log import Log
    from .policies import Entry, Item, Summary, TokenCounter

# Documents per round trip: few for a policy that stops soon, more for one that goes on.
_FIRST_CHUNK, _LARGEST_CHUNK = 100, 2_000


@dataclass
class Known:
    """What a session object remembers from its reads and writes, to save the next one some."""

    head: Head | None = None
    """The newest item; None if it is not known."""
    maintain_from: int = 0
    """How many tokens a session must have for its policy's ``maintain`` to have work."""
    counts_are_checked: bool = False
    """Whether the newest item was counted again: see :class:`CountCheck`."""

    def forget(self) -> None:
        """Items are removed: the newest, and how long a session is, are not known any more."""
        self.head, self.maintain_from = None, 0


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
        async def read(chunk: int, last: Entry | None) -> list[Document]:
            before = last.seq if last else before_seq
            documents = await self._newest(chunk, before)
            if documents and before is None and not self._known.counts_are_checked:
                self._known.counts_are_checked = await self._count_check.check(
                    self.session_id, documents[0]
                )
            return documents

        return _Chunked(read, self._entries)

    def oldest_first(self, after_seq: int = 0) -> AsyncIterator[Entry]:
        async def read(chunk: int, last: Entry | None) -> list[Document]:
            seq = last.seq if last else after_seq
            return await self._log.oldest(self.session_id, chunk, seq)

        return _Chunked(read, self._entries)

    async def newest_items(self, limit: int | None) -> list[Item]:
        """The newest ``limit`` items (None: all), oldest first."""
        found: list[Document] = []
        while limit is None or len(found) < limit:
            chunk = _LARGEST_CHUNK if limit is None else min(limit - len(found), _LARGEST_CHUNK)
            documents = await self._newest(chunk, found[-1]["seq"] if found else None)
            found += documents
            if len(documents) < chunk:
                break
        return [unpack(document["item"]) for document in reversed(found)]

    async def find(self, ids: Collection[str], before_seq: int) -> list[Entry]:
        documents = await self._log.find(self.session_id, ids, before_seq, MOST_FOUND)
        return list(await self._entries(documents[::-1]))

    async def latest_summary(self) -> Entry | None:
        document = await self._log.latest_summary(self.session_id)
        return None if document is None else next(await self._entries([document]))

    async def claim(self, entry: Entry, seconds: float) -> bool:
        return await self._log.claim(self.session_id, entry.id, self._claimant, seconds)

    async def back_off(self, entry: Entry, seconds: float) -> None:
        await self._log.back_off(self.session_id, entry.id, self._claimant, seconds)

    async def release(self, entry: Entry) -> None:
        await self._log.release(self.session_id, entry.id, self._claimant)

    async def save_summary(self, entry: Entry, summary: Summary) -> bool:
        return await self._log.save_summary(self.session_id, entry.id, self._claimant, summary)

    async def run_aside(self, work: Callable[[], Awaitable[bool]], seconds: float) -> None:
        await self._background.join(self.session_id, work, seconds)

    def maintain_from(self, total_tokens: int) -> None:
        self._known.maintain_from = total_tokens

    def count_tokens(self, item: Item) -> int:
        return self._count_tokens(item)

    async def _newest(self, chunk: int, before_seq: int | None) -> list[Document]:
        documents = await self._log.newest(self.session_id, chunk, before_seq)
        if before_seq is None:
            # The next append follows it.
            self._known.head = Head.of(documents[0] if documents else None)
        return documents

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
        read: Callable[[int, Entry | None], Awaitable[list[Document]]],
        convert: Callable[[list[Document]], Awaitable[Iterator[Entry]]],
    ) -> None:
        self._read = read
        self._convert = convert
        self._chunk = _FIRST_CHUNK
        self._entries: Iterator[Entry] = iter(())
        self._last: Entry | None = None
        self._has_ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Entry:
        entry = next(self._entries, None)
        if entry is None and not self._has_ended:
            documents = await self._read(self._chunk, self._last)
            self._has_ended = len(documents) < self._chunk
            self._chunk = min(2 * self._chunk, _LARGEST_CHUNK)
            self._entries = await self._convert(documents)
            entry = next(self._entries, None)
        if entry is None:
            raise StopAsyncIteration
        self._last = entry
        return entry
