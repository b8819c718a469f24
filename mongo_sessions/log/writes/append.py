"""Append a batch to a session: all or nothing, exactly once, after the existing items.

A unique index on the place makes two writers exclude each other, and a place is not reused while a
writer may still number a batch after the one below it: see :mod:`..places`. So an append needs no
lock. It is one insert, or several in a transaction, numbered after the newest known place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pymongo
from bson import ObjectId
from pymongo.errors import BulkWriteError

from ..documents import Head, to_documents
from ..places import LIVE_OR_BARRIER, NEWEST_FIRST, NUMBERS, head_of
from ..server.retries import Backoff, is_transient_or_conflict
from ..server.transactions import in_transaction
from .delete import refuse_deleted
from .redaction import redact_errors

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ..documents import NewItem
    from ..server.drivers import AnyDriver
    from ..server.lasting import LastingReads
    from ..server.server import Server


class Appender:
    """Appends to the sessions of one collection."""

    def __init__(
        self,
        items: AnyDriver,
        lasting: LastingReads,
        server: Server,
        *,
        has_transactions: bool,
    ) -> None:
        self._items = items
        self._lasting = lasting
        self._has_transactions = has_transactions
        self._server = server

    async def append(
        self,
        session_id: str,
        items: Sequence[NewItem],
        head: Head | None,
        seconds: float,
        since: int | None = None,
    ) -> Head | None:
        """Append a batch, all or nothing, exactly once; return the new head if it is known.

        ``head`` is the newest place that the caller knows (None: not known). If another append has
        taken the next place, the unique index refuses the write, and it is retried with new
        numbers, for ``seconds`` at most.

        ``since`` is the newest place that the run of the batch has seen. A deletion after it is
        noticed: it is above ``head``, then its place is taken, or it has made gaps of all places.

        Raises:
            SessionDeleted: the session was deleted after ``since``. Nothing was written.
        """
        pending = {ObjectId(): item for item in items}
        backoff = Backoff(seconds, self._server)
        with pymongo.timeout(seconds):
            async for attempt in backoff.attempts(is_transient_or_conflict):
                with attempt:
                    if attempt.may_have_landed:
                        await self._drop_stored(session_id, pending, backoff)
                        if not pending:
                            return None
                    known, head = head, None  # the caller's head serves the first attempt alone
                    if known is None:
                        known = await self._newest_head(session_id, backoff)
                    if since is not None and known.gaps > since:
                        with backoff.time_limit():
                            await refuse_deleted(self._lasting, session_id, since)
                    documents = to_documents(session_id, pending, known)
                    await self._insert(documents, pending, backoff)
        return Head.of(documents[-1])

    async def _newest_head(self, session_id: str, backoff: Backoff) -> Head:
        # If an election rolled this document back, its place would become free: another writer
        # could take it after this append has taken the next one.
        with backoff.time_limit():
            return await self._lasting.read(lambda items: newest_head(items, session_id))

    async def _drop_stored(
        self, session_id: str, pending: dict[ObjectId, NewItem], backoff: Backoff
    ) -> None:
        """Remove the stored items from ``pending``: without transactions, a part may be stored."""
        with backoff.time_limit():
            for item_id in await stored_ids(self._lasting, session_id, pending):
                del pending[item_id]

    async def _insert(
        self, documents: list[dict[str, Any]], pending: dict[ObjectId, NewItem], backoff: Backoff
    ) -> None:
        if len(documents) == 1:
            with backoff.time_limit():
                await redact_errors(self._items.insert_one(documents[0]))
        elif self._has_transactions:
            await in_transaction(
                self._items,
                backoff,
                lambda transaction: redact_errors(
                    self._items.insert_many(documents, session=transaction)
                ),
            )
        else:
            try:
                with backoff.time_limit():
                    await redact_errors(self._items.insert_many(documents))
            except BulkWriteError as error:
                for document in documents[: error.details["nInserted"]]:
                    del pending[document["_id"]]  # the next attempt writes the rest
                raise


async def newest_head(items: AnyDriver, session_id: str) -> Head:
    """The head after which the next append is numbered."""
    query: dict[str, Any] = {"session_id": session_id}
    newest = await items.find_one(query, NUMBERS, sort=NEWEST_FIRST)
    documents = [] if newest is None else [newest]
    head = head_of(documents, is_whole=newest is None)
    if head is None:
        below = {**query, "seq": {"$lt": documents[0]["seq"]}, **LIVE_OR_BARRIER}
        older = await items.find_one(below, NUMBERS, sort=NEWEST_FIRST)
        head = head_of(documents if older is None else [*documents, older], is_whole=True)
    assert head is not None  # noqa: S101 - for mypy
    return head


async def stored_ids(
    lasting: LastingReads,
    session_id: str,
    ids: Collection[ObjectId],
    state: Mapping[str, Any] | None = None,
) -> list[ObjectId]:
    """The ids among these whose documents exist in this state (by default in any, as marks too)."""
    mine = {"session_id": session_id, "_id": {"$in": list(ids)}, **(state or {})}
    found: list[dict[str, ObjectId]] = await lasting.read(
        lambda items: items.find(mine, {"_id": 1}).to_list(None)
    )
    return [document["_id"] for document in found]
