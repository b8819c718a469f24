"""The log of one session, as a policy sees it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bson import ObjectId

from .documents import Head, to_entry, unpack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from .background import Background
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
    ) -> None:
        self._log = log
        self._session_id = session_id
        self._count_tokens = count_tokens
        self._background = background
        self._known = known
        self._claimant = ObjectId()

    async def newest_first(self) -> AsyncIterator[Entry]:
        before_seq, chunk = None, _FIRST_CHUNK
        while True:
            documents = await self._newest(chunk, before_seq)
            for entry in await self._entries(documents):
                yield entry
            if len(documents) < chunk:
                return
            before_seq, chunk = documents[-1]["seq"], min(2 * chunk, _LARGEST_CHUNK)

    async def oldest_first(self, after_seq: int = 0) -> AsyncIterator[Entry]:
        chunk = _FIRST_CHUNK
        while True:
            documents = await self._log.oldest(self._session_id, chunk, after_seq)
            for entry in await self._entries(documents):
                yield entry
            if len(documents) < chunk:
                return
            after_seq, chunk = documents[-1]["seq"], min(2 * chunk, _LARGEST_CHUNK)

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

    async def latest_summary(self) -> Entry | None:
        document = await self._log.latest_summary(self._session_id)
        return None if document is None else (await self._entries([document]))[0]

    async def claim(self, entry: Entry, seconds: float) -> bool:
        return await self._log.claim(self._session_id, entry.id, self._claimant, seconds)

    async def back_off(self, entry: Entry, seconds: float) -> None:
        await self._log.back_off(self._session_id, entry.id, self._claimant, seconds)

    async def save_summary(self, entry: Entry, summary: Summary) -> bool:
        return await self._log.save_summary(self._session_id, entry.id, self._claimant, summary)

    async def run_aside(self, work: Callable[[], Awaitable[bool]], seconds: float) -> None:
        await self._background.join(self._session_id, work, seconds)

    def maintain_from(self, total_tokens: int) -> None:
        self._known.maintain_from = total_tokens

    def count_tokens(self, item: Item) -> int:
        return self._count_tokens(item)

    async def _newest(self, chunk: int, before_seq: int | None) -> list[Document]:
        documents = await self._log.newest(self._session_id, chunk, before_seq)
        if before_seq is None:
            # The next append follows it.
            self._known.head = Head.of(documents[0] if documents else None)
        return documents

    async def _entries(self, documents: list[Document]) -> list[Entry]:
        def convert() -> list[Entry]:
            return [to_entry(document, self._count_tokens) for document in documents]

        if all("tokens" in document for document in documents):
            return convert()
        return await asyncio.to_thread(convert)  # it counts, and may load the vocabulary
