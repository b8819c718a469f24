"""Writes of whole sessions, for an import: documents with given places, exactly once.

The places and the contents are given, so a write is idempotent: what is stored already is compared,
and only the rest is inserted. The unique index on the place decides between two writers.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pymongo

from ...errors import SessionExists
from ..documents import decode, in_utc
from ..places import OLDEST_FIRST, is_live
from ..server.retries import is_transient_or_conflict
from .clear import cleared_to
from .redaction import redact_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from ..documents import Document
    from ..server.drivers import AnyDriver
    from ..server.lasting import LastingReads
    from ..server.retries import Retries

_FIELDS = ["seq", "item", "created_at", "gone_at", "barrier"]


class Imports:
    """Inserts documents into the sessions of one collection."""

    def __init__(self, items: AnyDriver, lasting: LastingReads, retries: Retries) -> None:
        self._items = items
        self._lasting = lasting
        self._retries = retries

    async def insert(
        self,
        session_id: str,
        documents: Sequence[dict[str, Any]],
        *,
        after_seq: int,
        has_dates: bool,
    ) -> int:
        """Insert the documents that are not stored yet; return how many were inserted.

        They are inserted oldest first, so what is stored is a beginning of them at any time.

        Args:
            session_id: Of the documents.
            documents: With their places, oldest first; marks may be among them.
            after_seq: The place of the item before them. Nothing else may be stored between it and
                the last of them.
            has_dates: Whether ``created_at`` of a stored item must be the same.

        Raises:
            SessionExists: something else is stored there.
        """
        backoff = self._retries.backoff()
        stored: int | None = None
        with pymongo.timeout(self._retries.seconds):
            async for attempt in backoff.attempts(is_transient_or_conflict):
                with attempt:
                    with backoff.time_limit():
                        missing = await self._missing(session_id, documents, after_seq, has_dates)
                    if stored is None:
                        stored = sum(map(is_live, documents)) - sum(map(is_live, missing))
                    if missing:
                        with backoff.time_limit():
                            await redact_errors(self._items.insert_many(missing))
        return stored or 0

    async def check_unchanged(
        self, session_id: str, number: int, *, first_seq: int, last_seq: int
    ) -> None:
        """Check that nothing else came between the ``number`` items of an import.

        There may be fewer: retention deletes old ones at any time.

        Raises:
            SessionExists: the session was written to or cleared during the import.
        """
        cleared = await cleared_to(self._lasting, session_id)
        seqs = {"$gt": cleared, "$lte": last_seq}
        query = {"session_id": session_id, "seq": seqs, "item": {"$exists": True}}
        found = await self._lasting.retry(lambda items: items.count_documents(query))
        if cleared >= first_seq or found > number:
            raise SessionExists(
                f"the session {session_id!r} was changed while it was imported: it has {found:,} "
                f"items up to seq {last_seq}, not {number:,}"
            )

    async def _missing(
        self,
        session_id: str,
        documents: Sequence[dict[str, Any]],
        after_seq: int,
        has_dates: bool,  # noqa: FBT001 - as in insert
    ) -> list[dict[str, Any]]:
        """The documents whose places are free.

        Raises:
            SessionExists: the session was cleared there, another item is stored, or one differs.
        """
        cleared = await cleared_to(self._lasting, session_id)
        if cleared >= next(filter(is_live, documents))["seq"]:
            raise SessionExists(
                f"the session {session_id!r} was cleared or deleted: its places are free again "
                "about an hour later. Import it then, or into another collection"
            )
        wanted = {one["seq"]: one for one in documents if one["seq"] > cleared}
        async for stored in self._stored(session_id, wanted, max(after_seq, cleared)):
            seq = stored["seq"]
            if seq not in wanted or not _is_same(wanted[seq], stored, has_dates=has_dates):
                raise SessionExists(
                    f"the session {session_id!r} exists, and differs at seq {seq}. Nothing from "
                    "there on was imported"
                )
            del wanted[seq]
        return list(wanted.values())

    async def _stored(
        self, session_id: str, wanted: Mapping[int, Document], after_seq: int
    ) -> AsyncIterator[Document]:
        """What is stored at these places, and all items between them, 16 MB at a time."""
        # Other marks may be there in any number.
        relevant = [{"seq": {"$in": list(wanted)}}, {"item": {"$exists": True}}]
        limit, last_seq = len(wanted) + 1, max(wanted)
        while True:
            seqs = {"$gt": after_seq, "$lte": last_seq}
            query = {"session_id": session_id, "seq": seqs, "$or": relevant}

            async def find(items: AnyDriver, query: Document = query) -> list[Document]:
                # A negative limit returns a single batch, whose size the server limits: by default,
                # to 101 documents, too.
                cursor = items.find(query, _FIELDS).sort(OLDEST_FIRST).limit(-limit)
                cursor = cursor.batch_size(limit)
                found: list[Document] = await cursor.to_list(None)
                return found

            batch = await self._lasting.read(find)
            for one in batch:
                yield one
            if not batch or batch[-1]["seq"] == last_seq:
                return
            after_seq = batch[-1]["seq"]


def _is_same(wanted: Document, stored: Document, *, has_dates: bool) -> bool:
    if not is_live(wanted) or not is_live(stored):
        return is_live(wanted) == is_live(stored)
    # As text: 1 == 1.0, and the order of keys does not count, in Python.
    if json.dumps(decode(wanted["item"])) != json.dumps(decode(stored["item"])):
        return False
    return not has_dates or wanted["created_at"] == in_utc(stored["created_at"])
