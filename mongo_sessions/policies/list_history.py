"""A history in memory: for unit tests of a policy, and for use without a database."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from .items import starts_turn
from .policy import MOST_FOUND, Claim, Entry, Found, PinnedItem
from .recall.ranking import CONSTANTS, ranked
from .recall.terms import terms_of
from .recall.texts import matches_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable

    from .policy import Item, Summary
    from .recall.terms import Term
    from .tokens import TokenCounter


class ListHistory:
    """A :class:`History` over items in memory, numbered and counted as in a store.

    It has one user, so a claim is refused only if there is a summary, or during the pause after a
    failure.
    """

    session_id = "in memory"
    pinned_tokens = 0
    overhead_tokens = 0
    constants = CONSTANTS
    """Of the ranking of a search."""

    def __init__(self, items: Iterable[Item], *, token_counter: TokenCounter) -> None:
        self.count_tokens = token_counter
        self.entries: list[Entry] = []
        self._ids = itertools.count(1)
        self._tasks: set[asyncio.Future[None]] = set()
        for item in items:
            self.append(item)

    def append(self, item: Item) -> None:
        last = self.entries[-1] if self.entries else None
        tokens = self.count_tokens(item)
        seq = len(self.entries) + 1
        self.entries.append(
            Entry(
                seq=seq,
                item=item,
                tokens=tokens,
                total_tokens=(last.total_tokens if last else 0) + tokens,
                turn=(last.turn if last else 0) + starts_turn(item),
                created_at=datetime.now(timezone.utc),
                id=next(self._ids),
            )
        )

    def keep(self, number: int) -> None:
        """Forget all but the first ``number`` items, with their summaries and claims."""
        del self.entries[number:]

    async def newest_first(self, before_seq: int | None = None) -> AsyncIterator[Entry]:
        end = len(self.entries) if before_seq is None else before_seq - 1
        for entry in reversed(self.entries[:end]):
            yield entry

    async def oldest_first(self, after_seq: int = 0) -> AsyncIterator[Entry]:
        for entry in self.entries[after_seq:]:
            yield entry

    async def find(self, ids: Collection[str], before_seq: int) -> list[Entry]:
        wanted = frozenset(ids)
        found = [
            entry
            for entry in self.entries[: before_seq - 1]
            if any(
                isinstance(one, str) and one in wanted
                for one in (entry.item.get("call_id"), entry.item.get("id"))
            )
        ]
        return found[-MOST_FOUND:]

    def terms_of(self, query: str) -> list[Term]:
        """What a search looks for."""
        return terms_of(query)

    async def search(
        self, query: str, *, before_seq: int | None = None, limit: int = 20, seconds: float = 2.0
    ) -> list[Found]:
        """All entries are compared: ``seconds`` has no effect."""
        del seconds
        entries = self.entries if before_seq is None else self.entries[: max(0, before_seq - 1)]
        by_seq = {entry.seq: entry for entry in entries}
        matches = matches_in(entries, terms := self.terms_of(query))
        best = ranked(terms, matches, len(entries), self.constants)
        best = [one for one in best if one.seq in by_seq]
        return [Found(by_seq[one.seq], *one[1:]) for one in best[:limit]]

    async def latest_summary(self) -> Entry | None:
        return next((e for e in reversed(self.entries) if e.summary is not None), None)

    async def claim(self, entry: Entry, seconds: float) -> bool:
        stored = self._stored(entry)
        if stored is None:
            return False
        claim = stored.claim or Claim(stored.created_at, is_working=True)
        is_paused = not claim.is_working and claim.until > _in(0)
        if stored.summary is not None or is_paused:
            return False
        self._replace(entry, claim=replace(claim, until=_in(seconds), is_working=True))
        return True

    async def back_off(self, entry: Entry, seconds: float, reason: str = "") -> None:
        if stored := self._stored(entry):
            failures = 1 + (stored.claim.failures if stored.claim else 0)
            paused = Claim(_in(seconds), is_working=False, failures=failures, reason=reason)
            self._replace(entry, claim=paused)

    async def release(self, entry: Entry) -> None:
        stored = self._stored(entry)
        if stored and stored.claim:
            self._replace(entry, claim=replace(stored.claim, until=_in(0), is_working=False))

    async def save_summary(self, entry: Entry, summary: Summary) -> bool:
        stored = self._stored(entry)
        if stored is None or stored.summary is not None:
            return False
        pins = tuple(
            PinnedItem(one.seq, one.item, one.created_at)
            for one in self.entries[: entry.seq]
            if one.is_pinned
        )
        self._replace(entry, summary=summary, claim=None, pins=pins)
        return True

    async def now(self) -> datetime:
        return _in(0)

    def pin(self, seq: int) -> None:
        """Keep the item visible when it is folded. Before that: see ``session.pin``."""
        self.entries[seq - 1] = replace(self.entries[seq - 1], is_pinned=True)

    async def run_in_background(self, work: Callable[[], Awaitable[bool]], seconds: float) -> None:
        task = asyncio.ensure_future(_until_done(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait({task}, timeout=seconds)

    def skip_maintenance_until(self, total_tokens: int) -> None:
        """No effect: nothing calls a policy's ``maintain`` after :meth:`append`."""

    def _stored(self, entry: Entry) -> Entry | None:
        """The entry as it is now; None if it was forgotten, and another one may have its place."""
        found = self.entries[entry.seq - 1 : entry.seq]
        return found[0] if found and found[0].id == entry.id else None

    def _replace(self, entry: Entry, **changes: Any) -> None:  # noqa: ANN401 - fields of Entry
        index = entry.seq - 1
        self.entries[index] = replace(self.entries[index], **changes)


def _in(seconds: float) -> datetime:
    return datetime.now(timezone.utc) + timedelta(seconds=seconds)


async def _until_done(work: Callable[[], Awaitable[bool]]) -> None:
    while await work():
        pass
