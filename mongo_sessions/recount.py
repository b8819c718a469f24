"""Counting anew what is stored, after a change of the token counter."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .documents import unpack
from .policies import recounted_summary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from .documents import Document
    from .log import Log
    from .storage import Storage

_PAGE = 1_000
_CHUNK = 500  # documents, or fewer if they are large


@dataclass(frozen=True, slots=True)
class RecountProgress:
    """Where :meth:`MongoSessionStore.recount` is, after some documents of a session."""

    session_id: str
    """Of the session that is counted."""
    session_number: int
    """Of that session: 1, 2, 3, …"""
    documents: int
    """Counted so far, in all sessions."""
    changed: int
    """Of these: documents that had other counts."""


class Recount:
    """One run over the sessions of a store; :attr:`changed` is its result so far."""

    def __init__(self, storage: Storage, log: Log) -> None:
        self._storage = storage
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
            for session in page:
                yield session["_id"]
            after = page[-1]["_id"]

    async def _chunks(self, session_id: str) -> AsyncIterator[None]:
        """Count a session, oldest first; pause after each chunk.

        The newest items come last, so an append by a writer that read an old total is either
        refused (see ``append._guards``) or among the items that are read next.
        """
        last: Document | None = None
        total = 0
        while documents := await self._log.oldest_batch(
            session_id, _CHUNK, last["seq"] if last else 0
        ):
            # Items are removed at both ends, by pops and by retention. As long as the last item of
            # the chunk before is there, these items follow it.
            if last is None or not await self._log.has(session_id, last["_id"]):
                total = _total_before(documents[0])
            last = {"_id": documents[-1]["_id"], "seq": documents[-1]["seq"]}
            changes, total = await self._changes(documents, total)
            if changes:
                self.changed += await self._log.update_each(session_id, changes)
            self.documents += len(documents)
            yield

    async def _changes(
        self, documents: Sequence[Document], total: int
    ) -> tuple[dict[object, Document], int]:
        """The fields that differ, by the ``_id`` of their document, and the total at the end."""
        items = [unpack(document["item"]) for document in documents]
        counts = await self._storage.counting.all(items, size=sys.maxsize)  # in a thread
        summaries = await asyncio.to_thread(self._summaries, documents)
        changes: dict[object, Document] = {}
        for document, tokens in zip(documents, counts, strict=True):
            total += tokens or 0
            fields: dict[str, Any] = {"tokens": tokens, "total_tokens": total}
            if "summary" in document:
                fields["summary"] = summaries[document["_id"]]
            if any(document.get(field) != value for field, value in fields.items()):
                changes[document["_id"]] = fields
        return changes, total

    def _summaries(self, documents: Sequence[Document]) -> dict[object, Document]:
        def count(text: str) -> int:
            return self._storage.counting.one({"role": "user", "content": text})

        return {
            document["_id"]: recounted_summary(document["summary"], count)
            for document in documents
            if "summary" in document
        }


def _total_before(document: Document) -> int:
    """Tokens before this document: of items that retention has deleted, as they were counted."""
    return max(0, (document.get("total_tokens") or 0) - (document.get("tokens") or 0))
