"""The log of a session in MongoDB: every command on items that there is.

An item is a document, ``{session_id, seq}`` its place. Two writers cannot take the same place, for
there is a unique index: so an append needs no lock, and the order of ``seq`` is the order in which
writes happened.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, TypeVar

import pymongo
from bson import CodecOptions, ObjectId
from pymongo import ReadPreference, UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError, PyMongoError
from pymongo.read_concern import ReadConcern

from .documents import Head, number
from .drivers import AnyDriver, resolved
from .retries import Patience, is_passing, lost_the_race, patiently

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from .documents import Document, NewItem

T = TypeVar("T")

_MAJORITY = WriteConcern("majority")
_NEWEST_FIRST = [("seq", pymongo.DESCENDING)]


class Log:
    """The items of all sessions, through one client."""

    def __init__(
        self, database: AnyDriver, collection: str, *, transactions: bool, retry_for: float
    ) -> None:
        # Whatever the URI says: the SDK compares what it reads with what it wrote, so reads go to
        # the primary, and what was acknowledged must survive an election. Not with_options, which
        # mongomock-motor does not have.
        def items(read_concern: str) -> AnyDriver:
            return database.get_collection(
                collection,
                codec_options=CodecOptions(tz_aware=True),
                read_preference=ReadPreference.PRIMARY,
                write_concern=_MAJORITY,
                read_concern=ReadConcern(read_concern),
            )

        self._items = items("local")
        self._lasting_items = items("majority")
        self._client = database.client
        self._transactions = transactions
        self._retry_for = retry_for

    async def append(
        self, session_id: str, items: Sequence[NewItem], head: Head | None
    ) -> Head | None:
        """Append a batch, all or nothing, exactly once; return the new head if it is known.

        ``head`` is what the caller takes for the newest item (None: not known). If it is not,
        the write is refused, and tried again with the right numbers. Where that cannot be part of
        the write (a standalone server), the newest item is read first, in any case.
        """
        pending = {ObjectId(): item for item in items}
        patience = Patience(self._retry_for)
        uncertain = False
        with pymongo.timeout(self._retry_for):
            while True:
                try:
                    if head is None or not self._transactions:
                        if uncertain and await self._has_landed(session_id, list(pending)):
                            return None
                        head = await self._newest_head(session_id)
                    documents = number(session_id, pending, head)
                    await self._append_to(head, documents, patience)
                    return Head.of(documents[-1])
                except PyMongoError as error:
                    if lost_the_race(error):
                        head = None
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
    ) -> None:
        if not self._transactions:
            await _naming_no_text(self._items.insert_many(documents))
            return
        writes = [_write_once(document) for document in documents]
        if len(documents) == 1:
            await _naming_no_text(self._items.bulk_write([*_guards(head, documents), *writes]))
            return
        async with await resolved(self._client.start_session()) as transaction:
            await resolved(
                transaction.start_transaction(
                    read_concern=ReadConcern("snapshot"),
                    write_concern=_MAJORITY,
                    read_preference=ReadPreference.PRIMARY,
                )
            )
            # What a transaction only reads, others may change before its commit. So it writes to
            # the head, too: now it cannot be popped meanwhile, and its place be taken.
            guards = _guards(head, documents, mark={"$set": {"next": documents[0]["_id"]}})
            await _naming_no_text(self._items.bulk_write([*guards, *writes], session=transaction))
            await _commit(transaction, patience)

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
        found = await self._items.find_one({"session_id": session_id}, numbers, sort=_NEWEST_FIRST)
        return Head.of(found)

    async def newest(
        self, session_id: str, limit: int, before_seq: int | None = None
    ) -> list[Document]:
        """The newest documents below ``before_seq``, newest first: one round trip."""
        query: dict[str, Any] = {"session_id": session_id}
        if before_seq is not None:
            query["seq"] = {"$lt": before_seq}
        return await self._read(query, limit, pymongo.DESCENDING)

    async def oldest(self, session_id: str, limit: int, after_seq: int) -> list[Document]:
        """The oldest documents above ``after_seq``, oldest first: one round trip."""
        query = {"session_id": session_id, "seq": {"$gt": after_seq}}
        return await self._read(query, limit, pymongo.ASCENDING)

    async def _read(self, query: Document, limit: int, direction: int) -> list[Document]:
        # batch_size: or the server's first answer ends at 101 documents.
        return await self._patiently(
            lambda: (
                self._items.find(query)
                .sort("seq", direction)
                .limit(limit)
                .batch_size(limit)
                .to_list(None)
            )
        )

    async def pop(self, session_id: str) -> Document | None:
        """Remove the newest document, and return it.

        Tried again by the driver alone, and only where the server remembers its answer (a replica
        set or a cluster): a second attempt of ours could remove a second item.
        """
        with pymongo.timeout(self._retry_for):
            popped: Document | None = await self._items.find_one_and_delete(
                {"session_id": session_id}, sort=_NEWEST_FIRST
            )
        return popped

    async def clear(self, session_id: str) -> None:
        """Remove everything of a session."""
        await self._patiently(lambda: self._items.delete_many({"session_id": session_id}))

    async def latest_summary(self, session_id: str) -> Document | None:
        query = {"session_id": session_id, "summary": {"$exists": True}}
        return await self._patiently(lambda: self._items.find_one(query, sort=_NEWEST_FIRST))

    async def claim(self, session_id: str, item_id: object, seconds: float) -> bool:
        """Claim the making of a summary that ends at this item, unless somebody else has it."""
        now = datetime.now(timezone.utc)
        query = {
            **_without_summary(session_id, item_id),
            "$or": [{"claim": {"$exists": False}}, {"claim.until": {"$lte": now}}],
        }
        claim = {"id": ObjectId(), "until": now + timedelta(seconds=seconds)}
        return await self._update_one(query, {"$set": {"claim": claim}})

    async def save_summary(
        self, session_id: str, item_id: object, summary: Mapping[str, Any]
    ) -> bool:
        """Keep a summary on this item, if it is still there and has none."""
        query = _without_summary(session_id, item_id)
        return await self._update_one(
            query, {"$set": {"summary": dict(summary)}, "$unset": {"claim": ""}}
        )

    async def _update_one(self, query: Document, update: Document) -> bool:
        with pymongo.timeout(self._retry_for):
            result = await self._items.update_one(query, update)
        return bool(result.matched_count)

    async def sessions(self, prefix: str, after: str | None, limit: int) -> list[Document]:
        """The newest and the oldest numbers of each session, in the order of their ids."""
        ids: dict[str, Any] = {"$gte": prefix, "$lt": prefix + _LAST_CHARACTER}
        if after is not None and after >= prefix:
            ids = {"$gt": after, "$lt": prefix + _LAST_CHARACTER}
        newest = await self._first_of_each(ids, pymongo.DESCENDING, limit)
        listed = {"$in": [session["_id"] for session in newest]}
        oldest = await self._first_of_each(listed, pymongo.ASCENDING, limit)
        first = {session["_id"]: session for session in oldest}
        # A session that was deleted in between has no oldest item.
        return [{**last, "first": first[last["_id"]]} for last in newest if last["_id"] in first]

    async def _first_of_each(self, ids: Document, direction: int, limit: int) -> list[Document]:
        """In this form, the server looks at one key of the index per session (DISTINCT_SCAN).

        The order must be the index's, {session_id: 1, seq: -1}, or its exact reverse.
        """
        fields = ("seq", "tokens", "total_tokens", "created_at")
        pipeline: list[Document] = [
            {"$match": {"session_id": ids}},
            {"$sort": {"session_id": -direction, "seq": direction}},
            {"$group": {"_id": "$session_id", **{f: {"$first": f"${f}"} for f in fields}}},
            {"$sort": {"_id": 1}},
            {"$limit": limit},
        ]

        async def run() -> list[Document]:
            cursor = await resolved(self._items.aggregate(pipeline))
            found: list[Document] = await cursor.to_list(None)
            return found

        return await self._patiently(run)

    async def _patiently(self, command: Callable[[], Awaitable[T]]) -> T:
        return await patiently(command, self._retry_for)


_LAST_CHARACTER = "\U0010ffff"


def _drop_inserted(pending: dict[ObjectId, NewItem], error: PyMongoError) -> None:
    """Keep what an insert without a transaction did not reach; it may be popped by now."""
    if isinstance(error, BulkWriteError):
        for item_id in list(pending)[: error.details["nInserted"]]:
            del pending[item_id]


def _guards(
    head: Head, documents: Sequence[Document], mark: Document | None = None
) -> list[UpdateOne]:
    """Statements in front of an append that fail, on purpose, if ``head`` is not the newest item.

    Another writer may have popped or cleared it, its place may be taken anew, or others may be
    behind it: without this, a writer that missed that would count on from totals that are no longer
    true, or fill a gap in the past. All of it is one command, and so one round trip.
    """
    session_id = documents[0]["session_id"]
    mine = [document["_id"] for document in documents]
    newer = {"session_id": session_id, "seq": {"$gt": head.seq}, "_id": {"$nin": mine}}
    # No document can be given another _id: this fails wherever there is a document to change.
    guards = [UpdateOne(newer, {"$set": {"_id": None}})]
    if head.id is not None:
        # And none can be inserted under another _id than the one that was asked for: this fails
        # if there is no document to be found.
        itself = {"_id": head.id, "session_id": session_id, "seq": head.seq}
        unless_found = {"$setOnInsert": {"_id": None}}
        guards.append(UpdateOne(itself, {**(mark or {}), **unless_found}, upsert=True))
    return guards


def _write_once(document: Document) -> UpdateOne:
    """Insert the document, unless it is there: sent again, it changes nothing.

    Another document in its place, or the same one elsewhere, is a duplicate key.
    """
    place = ("_id", "session_id", "seq")
    rest = {field: value for field, value in document.items() if field not in place}
    return UpdateOne({f: document[f] for f in place}, {"$setOnInsert": rest}, upsert=True)


async def _naming_no_text(writing: Awaitable[object]) -> None:
    """Leave what was to be written out of an error: it is the conversation, and errors are logged.

    PyMongo puts it there as ``op``, and the server what a validator refused as ``errInfo``.
    """
    try:
        await writing
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
            await transaction.commit_transaction()
        except PyMongoError as error:
            if not error.has_error_label("UnknownTransactionCommitResult"):
                raise
            await patience.pause_after(error)
        else:
            return


def _without_summary(session_id: str, item_id: object) -> dict[str, Any]:
    return {"_id": item_id, "session_id": session_id, "summary": {"$exists": False}}
