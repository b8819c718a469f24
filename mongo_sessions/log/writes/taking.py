"""Take the place after the newest one with a document that holds no item.

The unique index then refuses every append that was numbered before: its writer reads the newest
place again, and sees what has happened. So a change of items that appends must notice takes a place
for itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pymongo
from pymongo import ReturnDocument

from ..places import LIVE_OR_BARRIER, NEWEST_FIRST, NUMBERS, is_barrier, is_live
from ..server.retries import is_transient_or_conflict

if TYPE_CHECKING:
    from collections.abc import Callable

    from bson import ObjectId

    from ..documents import Document
    from ..server.drivers import AnyDriver
    from ..server.lasting import LastingReads
    from ..server.retries import Retries


class End(NamedTuple):
    """The end of a session."""

    seq: int = 0
    """The newest place: of an item, a mark or a barrier. 0 for a new session."""
    item_seq: int = 0
    """The place of the newest item; 0 without items."""
    cleared_to: int = 0
    """The place of the barrier below which there are no items, if the session has no items."""
    newest_id: object = None


async def end_of(items: AnyDriver, session_id: str, **in_session: AnyDriver) -> End:
    """Read the end of a session, without its items."""
    query: dict[str, Any] = {"session_id": session_id}
    newest = await items.find_one(query, NUMBERS, sort=NEWEST_FIRST, **in_session)
    if newest is None:
        return End()
    last: Document | None = newest
    if not is_live(newest) and not is_barrier(newest):
        below = {**query, "seq": {"$lt": newest["seq"]}, **LIVE_OR_BARRIER}
        last = await items.find_one(below, NUMBERS, sort=NEWEST_FIRST, **in_session)
    if last is None:
        return End(newest["seq"], newest_id=newest["_id"])
    if is_barrier(last):
        return End(newest["seq"], 0, last["seq"], newest["_id"])
    return End(newest["seq"], last["seq"], newest_id=newest["_id"])


async def numbers_after(
    items: AnyDriver, session_id: str, seq: int, **in_session: AnyDriver
) -> Document:
    """The numbers of a place without an item right after an item (0: of the first place).

    An append may be numbered after them as after the item.
    """
    query = {"session_id": session_id, "seq": seq}
    item = await items.find_one(query, NUMBERS, **in_session) or {}
    numbers = {name: item.get(name) or 0 for name in ("total_tokens", "turn")}
    return {**numbers, "gaps": item.get("gaps", 0) + 1}


def in_place(session_id: str, seq: int, fields: Document) -> tuple[Document, Document]:
    """The upsert that puts a document with ``fields`` at this place: its query and its update.

    The query has the ``_id`` of ``fields``: a repeated attempt finds the document. ``gone_at`` in
    ``fields`` is replaced by the server's time.
    """
    dated = {"created_at": True, **({"gone_at": True} if "gone_at" in fields else {})}
    own = {field: value for field, value in fields.items() if field not in ("_id", "gone_at")}
    update = {"$setOnInsert": {"seq": seq, "turn": 0, **own}, "$currentDate": dated}
    return {"_id": fields["_id"], "session_id": session_id}, update


def mark(mark_id: ObjectId) -> dict[str, Any]:
    """The fields of a mark that never was an item."""
    return {"_id": mark_id, "gone_at": True}


async def take_after(
    items: AnyDriver, session_id: str, end: End, fields: Document, in_session: Document
) -> None:
    """Insert a document after the end of a session, in a transaction that has read the end.

    It also writes to the newest place. A transaction does not lock what it only reads: so the
    server refuses one of two that change the session. ``replaced`` tells a clear that has waited
    for the transaction to look for the newest place again.
    """
    newest = {"session_id": session_id, "_id": end.newest_id}
    await items.update_one(newest, {"$set": {"replaced": True}}, **in_session)
    query, update = in_place(session_id, end.seq + 1, fields)
    await items.update_one(query, update, upsert=True, **in_session)


class Taker:
    """Takes places in the sessions of one collection."""

    def __init__(self, items: AnyDriver, lasting: LastingReads, retries: Retries) -> None:
        self._items = items
        self._lasting = lasting
        self._retries = retries

    async def take_next(
        self,
        session_id: str,
        fields: Document,
        check: Callable[[End], None],
        known: End | None = None,
    ) -> Document:
        """Insert a document after the newest place, exactly once; return its numbers.

        ``check`` is called with the end of the session, and may raise. If another writer takes the
        place first, the end is read and checked again. ``known`` is the end as a lasting read has
        just found it, which saves the first read.
        """
        backoff = self._retries.backoff()
        taken: Document | None = None
        with pymongo.timeout(self._retries.seconds):
            async for attempt in backoff.attempts(is_transient_or_conflict):
                with attempt:
                    if attempt.may_have_landed:
                        with backoff.time_limit():
                            taken = await self._find(session_id, fields["_id"])
                        if taken is not None:
                            break
                    end, known = known, None  # it serves the first attempt alone
                    if end is None:
                        with backoff.time_limit():
                            # Lasting: no election may free a place below the one that is taken.
                            end = await self._lasting.read(lambda items: end_of(items, session_id))
                    check(end)
                    query, update = in_place(session_id, end.seq + 1, fields)
                    with backoff.time_limit():
                        taken = await self._items.find_one_and_update(
                            query,
                            update,
                            projection=NUMBERS,
                            upsert=True,
                            return_document=ReturnDocument.AFTER,
                        )
        assert taken is not None  # noqa: S101 - for mypy
        return taken

    async def find(self, session_id: str, document_id: ObjectId) -> Document | None:
        """The numbers of a place that was taken with this ``_id``, if it was; retried."""
        return await self._retries.run(lambda: self._find(session_id, document_id))

    async def _find(self, session_id: str, document_id: ObjectId) -> Document | None:
        itself = {"session_id": session_id, "_id": document_id}
        found: Document | None = await self._lasting.read(
            lambda items: items.find_one(itself, NUMBERS)
        )
        return found
