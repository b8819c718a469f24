"""Appending to a session: all or nothing, exactly once, and behind what is there.

Two writers cannot take the same place, for there is a unique index on it. So an append needs no
lock: it says what it takes for the newest item, and is refused if that is not true.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import pymongo
from bson import ObjectId
from pymongo import ReadPreference, UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError, InvalidOperation, PyMongoError
from pymongo.read_concern import ReadConcern

from .documents import Head, number
from .drivers import AnyDriver, resolved
from .retries import Patience, is_passing, lost_the_race

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from .deployment import Deployment
    from .documents import Document, NewItem
    from .server import Server

T = TypeVar("T")

MAJORITY = WriteConcern("majority")
NEWEST_FIRST = [("seq", pymongo.DESCENDING)]

_ABORT_SECONDS = 1.0


class Appender:
    """Appends to the sessions of one collection.

    ``items`` and ``lasting_items`` are that collection: as it is on the primary, and as it is on a
    majority, which no election takes back.
    """

    def __init__(
        self,
        items: AnyDriver,
        lasting_items: AnyDriver,
        *,
        deployment: Deployment,
        server: Server,
    ) -> None:
        self._server = server
        self._items = items
        self._lasting_items = lasting_items
        self._transactions = deployment.has_transactions
        # A sharded cluster wants the shard key of what may be inserted. Otherwise the _id alone is
        # enough, for which the server needs no plan.
        self._identity = ("_id", "session_id") if deployment.is_sharded else ("_id",)

    async def append(
        self, session_id: str, items: Sequence[NewItem], head: Head | None, seconds: float
    ) -> Head | None:
        """Append a batch, all or nothing, exactly once; return the new head if it is known.

        It keeps trying for so many seconds.

        ``head`` is what the caller takes for the newest item (None: not known). If it is not,
        the write is refused, and tried again with the right numbers. Where that cannot be part of
        the write (a standalone server), the newest item is read first, in any case.
        """
        pending = {ObjectId(): item for item in items}
        patience = Patience(seconds, self._server)
        uncertain = False
        with pymongo.timeout(seconds):
            while True:
                try:
                    if head is None or not self._transactions:
                        with patience.attempt():
                            if uncertain and await self._has_landed(session_id, list(pending)):
                                return None
                            head = await self._newest_head(session_id)
                    documents = number(session_id, pending, head)
                    is_new = await self._append_to(head, documents, patience)
                    self._server.has_answered()
                    return Head.of(documents[-1]) if is_new else None
                except PyMongoError as error:
                    if lost_the_race(error):
                        head = None
                        uncertain = uncertain or _is_there(error)
                        _drop_inserted(pending, error)
                    elif is_passing(error):
                        # The same command again, with the same numbers: what is there already is
                        # left as it is.
                        uncertain = True
                    else:
                        raise
                    await patience.pause_after(error)

    async def _append_to(
        self, head: Head, documents: list[dict[str, Any]], patience: Patience
    ) -> bool:
        """Whether it was this attempt that wrote them all, with these numbers."""
        if not self._transactions:
            with patience.attempt():
                await naming_no_text(self._items.insert_many(documents))
            return True
        writes = _guards(head, documents)
        writes += [_write_once(document, self._identity) for document in documents]
        if len(documents) == 1:
            with patience.attempt():
                written = await naming_no_text(self._items.bulk_write(writes))
        else:
            written = await self._commit_all(writes, patience)
        return bool(written.upserted_count == len(documents))

    async def _commit_all(self, writes: list[UpdateOne], patience: Patience) -> AnyDriver:
        async with await resolved(self._items.database.client.start_session()) as transaction:
            await resolved(
                transaction.start_transaction(
                    read_concern=ReadConcern("snapshot"),
                    write_concern=MAJORITY,
                    read_preference=ReadPreference.PRIMARY,
                )
            )
            try:
                with patience.attempt():
                    written = await naming_no_text(
                        self._items.bulk_write(writes, session=transaction)
                    )
                await _commit(transaction, patience)
            except PyMongoError:
                # The end of the session would abort it, too, and wait for a server that stands
                # still. InvalidOperation: a commit was asked for.
                with pymongo.timeout(_ABORT_SECONDS), suppress(InvalidOperation):
                    await transaction.abort_transaction()
                raise
        return written

    async def _has_landed(self, session_id: str, ids: list[ObjectId]) -> bool:
        """Whether an attempt whose outcome was not known did write the batch.

        Without transactions it may have written a part; that is taken back.
        """
        mine = {"session_id": session_id, "_id": {"$in": ids}}
        found = await self._lasting_items.count_documents(mine)
        if self._transactions or found == len(ids):
            return bool(found)
        await self._items.delete_many(mine)
        return False

    async def _newest_head(self, session_id: str) -> Head:
        numbers = {"seq": 1, "total_tokens": 1, "turn": 1}
        found = await self._items.find_one({"session_id": session_id}, numbers, sort=NEWEST_FIRST)
        return Head.of(found)


def _is_there(error: PyMongoError) -> bool:
    """Whether one of ours is stored already: by an attempt that the driver repeated by itself."""
    return isinstance(error, BulkWriteError) and any(
        "_id" in problem.get("keyPattern", {}) for problem in error.details["writeErrors"]
    )


def _drop_inserted(pending: dict[ObjectId, NewItem], error: PyMongoError) -> None:
    """Keep what an insert without a transaction did not reach; it may be popped by now."""
    if isinstance(error, BulkWriteError):
        for item_id in list(pending)[: error.details["nInserted"]]:
            del pending[item_id]


def _guards(head: Head, documents: Sequence[Document]) -> list[UpdateOne]:
    """Statements in front of an append that fail, on purpose, if ``head`` is not the newest item.

    It may have been popped or cleared, its place may be taken anew, or others may be behind it: a
    writer that missed that would count on from totals that are no longer true, or fill a gap in the
    past. All of it is one command, and so one round trip.
    """
    session_id = documents[0]["session_id"]
    mine = [document["_id"] for document in documents]
    newer = {"session_id": session_id, "seq": {"$gt": head.seq}, "_id": {"$nin": mine}}
    # No document can be given another _id: this fails wherever there is a document to change.
    guards = [UpdateOne(newer, {"$set": {"_id": None}})]
    if head.id is not None:
        # And none can be inserted under another _id than the one that was asked for: this fails
        # if there is no document to be found.
        unless_found: dict[str, Any] = {"$setOnInsert": {"_id": None}}
        if len(documents) > 1:
            # What a transaction only reads, others may change before its commit. So it writes to
            # the head, too: now that cannot be popped meanwhile, and its place be taken.
            unless_found["$set"] = {"next": mine[0]}
        # With the total that is counted on from: a recount may have changed it since it was read.
        total_tokens = head.total_tokens or {"$in": [0, None]}  # None: there is none
        itself = {"_id": head.id, "session_id": session_id, "seq": head.seq}
        itself["total_tokens"] = total_tokens
        guards.append(UpdateOne(itself, unless_found, upsert=True))
    return guards


def _write_once(document: Document, identity: Sequence[str]) -> UpdateOne:
    """Insert the document, unless it is there, anywhere: sent again, it changes nothing.

    Another document in its place is a duplicate key.
    """
    rest = {field: value for field, value in document.items() if field not in identity}
    itself = {field: document[field] for field in identity}
    return UpdateOne(itself, {"$setOnInsert": rest}, upsert=True)


async def naming_no_text(writing: Awaitable[T]) -> T:
    """Leave what was to be written out of an error: it is the conversation, and errors are logged.

    PyMongo puts it there as ``op``, and the server what a validator refused as ``errInfo``.
    """
    try:
        return await writing
    except BulkWriteError as error:
        problems = [
            {k: v for k, v in problem.items() if k not in ("op", "errInfo")}
            for problem in error.details["writeErrors"]
        ]
        raise BulkWriteError({**error.details, "writeErrors": problems}) from None


async def _commit(transaction: AnyDriver, patience: Patience) -> None:
    """Ask for the commit until its outcome is known: the server remembers it."""
    while True:
        try:
            with patience.attempt():
                await transaction.commit_transaction()
        except PyMongoError as error:
            if not error.has_error_label("UnknownTransactionCommitResult"):
                raise
            await patience.pause_after(error)
        else:
            return
