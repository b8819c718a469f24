"""The log of one session, as a policy sees it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..first_chunks import DEFAULT
from ..log.documents import decode, in_utc
from ..log.pins import to_pins
from ..policies import Claim, Entry, Found, PinnedItem, view_of
from ..policies.policy import MOST_FOUND
from ..telemetry.telemetry import note_view
from .chunked import Chunked
from .leases import Leases
from .ranked_search import rank

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator
    from datetime import datetime

    from ..cards.card_access import CardAccess
    from ..concurrency.background import Background
    from ..counting.count_check import CountCheck
    from ..first_chunks import FirstChunks
    from ..log.documents import Document
    from ..log.places import Page
    from ..log.search.search_scope import Scope
    from ..policies import Item, RetrievalPolicy, Summary, TokenCounter, View
    from .session_log import SessionLog

# Places beyond the limit of a search: a place beside a match may hold no item.
_SPARE_PLACES = 8


class SessionHistory:
    """A :class:`~mongo_sessions.policies.History` that reads in chunks.

    Each chunk is a query of its own that one answer completes: no cursor stays open when a policy
    stops early, and a failed read is retried.
    """

    def __init__(
        self,
        log: SessionLog,
        *,
        count_tokens: TokenCounter,
        background: Background,
        first_chunks: FirstChunks,
        count_check: CountCheck,
        cards: CardAccess,
    ) -> None:
        self.session_log = log
        self._log = log.log
        self._newest = log.newest
        self._state = log.state
        self.session_id = log.session_id
        self.pinned_tokens = 0
        self.newest_seq: int | None = None
        """The newest place that :meth:`newest_first` has read; 0 for no item, None before."""
        self._count_tokens = count_tokens
        self._background = background
        self._first_chunks = first_chunks
        self._count_check = count_check
        self._cards = cards
        self._redactions: int | None = None
        self._leases = Leases(log.log.claims, log.session_id)
        self._first_chunk = DEFAULT
        self._newest_read: Chunked | None = None

    @property
    def overhead_tokens(self) -> int:
        return self._state.overhead_tokens or 0

    async def view(self, policy: RetrievalPolicy) -> View:
        """The view of ``policy``. The first chunk is as large as the last view of this policy.

        Raises:
            TypeError: it does not return a list of items.
        """
        key = (self.session_id, id(policy))
        self._first_chunk = self._first_chunks.of(key)
        shown = await view_of(policy, self)
        if self._newest_read is not None:
            self._first_chunks.learn(key, self._newest_read.size_in_one_chunk)
        note_view(shown)
        return shown

    def newest_first(self, before_seq: int | None = None) -> AsyncIterator[Entry]:
        if before_seq is not None:
            return Chunked(self._newest, self.entries_of, before_seq, DEFAULT)

        async def read(chunk: int, before: int | None) -> Page:
            page = await self._newest(chunk, before)
            if before is None:
                self.newest_seq = 0
            if not self.newest_seq and page.documents:
                self.newest_seq = page.documents[0]["seq"]
            if page.documents and before is None and not self._state.counts_are_checked:
                self._state.counts_are_checked = await self._count_check.check(
                    self.session_id, page.documents[0]
                )
            return page

        self._newest_read = Chunked(read, self.entries_of, None, self._first_chunk)
        return self._newest_read

    def oldest_first(self, after_seq: int = 0) -> AsyncIterator[Entry]:
        async def read(chunk: int, after: int | None) -> Page:
            return await self._log.oldest(self.session_id, chunk, after or 0)

        return Chunked(read, self.entries_of, after_seq, DEFAULT)

    async def find(self, ids: Collection[str], before_seq: int) -> list[Entry]:
        documents = await self._log.find(self.session_id, ids, before_seq, MOST_FOUND)
        return list(await self.entries_of(documents[::-1]))

    async def search(
        self, query: str, *, before_seq: int | None = None, limit: int = 20, seconds: float = 2.0
    ) -> list[Found]:
        ranking = await rank(self.session_log, query, before_seq=before_seq, seconds=seconds)
        best = {one.seq: one for one in ranking.best[: limit + _SPARE_PLACES]}
        found = [Found(entry, *best[entry.seq][1:]) for entry in await self.at(ranking.scope, best)]
        return sorted(found, key=lambda one: (-one.score, -one.entry.seq))[:limit]

    async def at(self, scope: Scope, places: Collection[int]) -> Iterator[Entry]:
        """The entries at these places, newest first, in one find."""
        documents = await self._log.group_reads.documents(self.session_id, scope, places)
        return await self.entries_of(documents)

    async def latest_summary(self) -> Entry | None:
        document = await self._log.claims.latest_summary(self.session_id)
        return None if document is None else next(await self.entries_of([document]))

    async def claim(self, entry: Entry, seconds: float) -> bool:
        return await self._leases.claim(entry.id, seconds)

    async def back_off(self, entry: Entry, seconds: float, reason: str = "") -> None:
        await self._leases.back_off(entry.id, seconds, reason)

    async def release(self, entry: Entry) -> None:
        await self._leases.release(entry.id)

    async def save_summary(self, entry: Entry, summary: Summary) -> bool:
        pins = await self._log.pins.covered(self.session_id, entry.seq)
        if not await self._leases.save_summary(entry.id, summary, to_pins(pins)):
            return False
        await self._log.pins.settle(self.session_id, pins, entry.seq)
        return True

    async def wants_title(self) -> bool:
        self._redactions = await self._cards.without_title(self.session_id)
        return self._redactions is not None

    async def save_title(self, title: str) -> bool:
        if self._redactions is None:
            return False
        return await self._cards.save_title(self.session_id, title, self._redactions)

    async def now(self) -> datetime:
        return await self._log.now()

    async def run_in_background(self, work: Callable[[], Awaitable[bool]], seconds: float) -> None:
        await self._background.join(self.session_id, work, seconds)

    def skip_maintenance_until(self, total_tokens: int) -> None:
        self._state.skip_maintenance_until = total_tokens

    def count_tokens(self, item: Item) -> int:
        return self._count_tokens(item)

    async def entries_of(self, documents: list[Document]) -> Iterator[Entry]:
        """Convert lazily: a policy may stop at any entry."""
        entries = (_to_entry(document, self._count_tokens) for document in documents)
        if all("tokens" in document for document in documents):
            return entries
        return iter(await asyncio.to_thread(list, entries))  # counting may load a vocabulary


def _to_entry(document: Document, count_tokens: TokenCounter) -> Entry:
    """Return a stored document as a policy sees it.

    An item that was stored without a count is counted here. Its running total is unknown: 0.
    """
    item = decode(document["item"])
    tokens = document.get("tokens")
    return Entry(
        seq=document["seq"],
        item=item,
        tokens=count_tokens(item) if tokens is None else tokens,
        total_tokens=document.get("total_tokens") or 0,
        turn=document["turn"],
        created_at=in_utc(document["created_at"]),
        summary=document.get("summary"),
        claim=_to_claim(document["claim"]) if "claim" in document else None,
        has_room="is_full" not in document,
        is_pinned="pinned" in document,
        pins=tuple(to_pinned(document.get("pins", ()))),
        id=document["_id"],
    )


def to_pinned(documents: Iterable[Document]) -> Iterator[PinnedItem]:
    """Stored copies of pinned items as a policy sees them."""
    for one in documents:
        yield PinnedItem(one["seq"], decode(one["item"]), in_utc(one["created_at"]))


def _to_claim(claim: Document) -> Claim:
    return Claim(
        in_utc(claim["until"]),
        is_working="id" in claim,
        failures=claim.get("failures", 0),
        reason=claim.get("reason", ""),
    )
