"""Counting stored items again, after a change of the token counter."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..log.documents import decode
from ..log.places import is_barrier, is_live
from ..log.session_ids import check_part_of_id
from ..policies import recounted_summary
from ..policies.checks import check_callable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from ..connection.connections import Connections
    from ..counting.counting import Counting
    from ..log.documents import Document
    from ..log.log import Log

_PAGE = 1_000
_CHUNK = 500  # documents, or fewer if they are large


@dataclass(frozen=True, slots=True)
class RecountProgress:
    """Where :meth:`MongoSessionStore.recount` is, after some documents of a session."""

    session_id: str
    """The session that is counted."""
    session_number: int
    """Number of that session: 1, 2, 3, …"""
    documents: int
    """Counted so far, in all sessions."""
    changed: int
    """Documents of these that had other counts."""


async def recount(
    connections: Connections, prefix: str, progress: Callable[[RecountProgress], object] | None
) -> int:
    """See :meth:`MongoSessionStore.recount`."""
    check_part_of_id("prefix", prefix)
    if progress is not None:
        check_callable("progress", progress)
    counting = connections.state.counting
    if not counting.is_on:
        raise ValueError("recount needs token counts, and token_counter is None")
    run = _Recount(counting, await connections.current().log())
    await run.run(prefix, progress)
    return run.changed


class _Recount:
    """One run over the sessions of a store; :attr:`changed` is its result so far."""

    def __init__(self, counting: Counting, log: Log) -> None:
        self._counting = counting
        self._log = log
        self.documents = self.changed = 0

    async def run(self, prefix: str, progress: Callable[[RecountProgress], object] | None) -> None:
        number = 0
        async for session_id in self._session_ids(prefix):
            number += 1
            async for _ in self._chunks(session_id):
                if progress is not None:
                    progress(RecountProgress(session_id, number, self.documents, self.changed))

    async def _session_ids(self, prefix: str) -> AsyncIterator[str]:
        after = None
        while page := await self._log.sessions(prefix, after, _PAGE):
            for listed in page:
                yield listed.session_id
            after = page[-1].session_id

    async def _chunks(self, session_id: str) -> AsyncIterator[None]:
        """Count a session, oldest first; yield after each chunk.

        Concurrent appends continue from the old totals. The next chunk includes them, until a mark
        takes the next place: it refuses an append that was numbered after an old total, and a
        later append continues from a new total.
        """
        seq = 0
        changed_before = self.changed
        while True:
            documents = await self._log.counts.oldest_batch(session_id, _CHUNK, seq)
            if not documents:
                if self.changed == changed_before or await self._log.counts.take(
                    session_id, seq + 1
                ):
                    return
                continue
            total = await self._total_before(session_id, seq, documents)
            changes = await self._changes(documents, total)
            if changes:
                self.changed += await self._log.counts.update_each(session_id, changes)
            seq = documents[-1]["seq"]
            yield

    async def _total_before(self, session_id: str, seq: int, documents: Sequence[Document]) -> int:
        """The running total before these documents.

        It is that of the item before them, which was counted again unless it was removed since.
        Items that retention has deleted before the oldest item keep their old counts.
        """
        before = await self._log.counts.numbers_at(session_id, seq) if seq else None
        if before is not None:
            return 0 if is_barrier(before) else before.get("total_tokens") or 0
        first = next(filter(is_live, documents), None)
        if first is None:
            return 0
        return max(0, (first.get("total_tokens") or 0) - (first.get("tokens") or 0))

    async def _changes(self, documents: Sequence[Document], total: int) -> dict[object, Document]:
        """The fields that differ, by the ``_id`` of their document."""
        live = [document for document in documents if is_live(document)]
        items = [decode(document["item"]) for document in live]
        counts = await self._counting.all(items, size=sys.maxsize)  # in a thread
        summaries = await asyncio.to_thread(self._summaries, live)
        tokens_of = {d["_id"]: tokens for d, tokens in zip(live, counts, strict=True)}
        changes: dict[object, Document] = {}
        for document in documents:
            if is_barrier(document):
                total = 0
            if not is_live(document):
                continue
            tokens = tokens_of[document["_id"]]
            total += tokens or 0
            fields: dict[str, Any] = {"tokens": tokens, "total_tokens": total}
            if "summary" in document:
                fields["summary"] = summaries[document["_id"]]
            if any(document.get(field) != value for field, value in fields.items()):
                changes[document["_id"]] = fields | _recounted_receipt(document)
        self.documents += len(live)
        return changes

    def _summaries(self, documents: Sequence[Document]) -> dict[object, Document]:
        def count(text: str) -> int:
            return self._counting.one({"role": "user", "content": text})

        return {
            document["_id"]: recounted_summary(document["summary"], count)
            for document in documents
            if "summary" in document
        }


def _recounted_receipt(document: Document) -> dict[str, Document]:
    """The receipt without what the other counter has said: the prompt cannot be counted again."""
    if "receipt" not in document:
        return {}
    by_counter = ("counted", "overhead")
    kept = {name: value for name, value in document["receipt"].items() if name not in by_counter}
    return {"receipt": kept}
