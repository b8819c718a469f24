"""The log of the sessions in MongoDB: every command on items that there is.

An item is a document, ``{session_id, seq}`` its place, and the order of ``seq`` the order in which
items were written.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeVar

import pymongo
from pymongo import ReadPreference
from pymongo.read_concern import ReadConcern

from .append import MAJORITY, NEWEST_FIRST, Appender, naming_no_text
from .append_queue import NOTHING_TOGETHER, AppendQueues, Together
from .clock import client_time, server_time
from .documents import STORED, is_utf8
from .drivers import AnyDriver, resolved
from .retries import patiently
from .session_ids import id_range

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from bson import ObjectId

    from .deployment import Deployment
    from .documents import Document, Head, NewItem
    from .server import Server

T = TypeVar("T")

# In characters, of the ids that one query looks for. They are what a model or a client wrote.
_LONGEST_IDS = 1_000_000
# MongoDB bounds a regular expression to 32,764 bytes ("Query and Projection Operators: $regex").
_LONGEST_PATTERN = 16_000

# MongoDB's manual advises to keep a transaction below 1,000 documents ("Production Considerations"
# of transactions). And a group should take hardly longer than one batch.
_TOGETHER = Together(items=500, size=1024 * 1024)

# Documents that one delete removes: some 0.2 seconds. An attempt at more would run out of time.
_SLICE = 10_000


class Log:
    """The items of all sessions, through one client."""

    def __init__(
        self,
        database: AnyDriver,
        collection: str,
        *,
        deployment: Deployment,
        server: Server,
        retry_for: float,
    ) -> None:
        # Whatever the URI says: the SDK compares what it reads with what it wrote, so reads go to
        # the primary, and what was acknowledged must survive an election. Not with_options, which
        # mongomock-motor does not have.
        def items(read_concern: str) -> AnyDriver:
            return database.get_collection(
                collection,
                codec_options=STORED,
                read_preference=ReadPreference.PRIMARY,
                write_concern=MAJORITY,
                read_concern=ReadConcern(read_concern),
            )

        self._items = items("local")
        self._server = server
        self._retry_for = retry_for
        self._time = server_time if deployment.has_clock else client_time
        appender = Appender(self._items, items("majority"), deployment=deployment, server=server)
        # Without transactions, a batch that is written with others may be torn with them.
        together = _TOGETHER if deployment.has_transactions else NOTHING_TOGETHER
        self._appends = AppendQueues(appender.append, together=together, retry_for=retry_for)

    async def append(
        self, session_id: str, items: Sequence[NewItem], head: Head | None
    ) -> Head | None:
        """Append a batch; return the new head if it is known. See :meth:`Appender.append`."""
        return await self._appends.add(session_id, items, head)

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

    async def find(
        self, session_id: str, ids: Collection[str], before_seq: int, limit: int
    ) -> list[Document]:
        """The newest documents below ``before_seq`` whose item has one of ``ids``, newest first.

        The server looks at the session's documents from there back, until it has found enough. An
        item that is stored as JSON text is found if one of ``ids`` is a string anywhere in it.
        """
        wanted = [one for one in _within(ids, _LONGEST_IDS) if is_utf8(one)]
        places: list[Document] = [{"item.call_id": {"$in": wanted}}, {"item.id": {"$in": wanted}}]
        if in_text := _within([re.escape(json.dumps(one)) for one in ids], _LONGEST_PATTERN):
            places.append({"item": {"$regex": "|".join(in_text)}})
        query = {"session_id": session_id, "seq": {"$lt": before_seq}, "$or": places}
        return await self._read(query, limit, pymongo.DESCENDING)

    async def oldest_batch(self, session_id: str, limit: int, after_seq: int) -> list[Document]:
        """The same, but as many as have 16 MB together, or one."""
        query = {"session_id": session_id, "seq": {"$gt": after_seq}}
        # A negative limit is a single batch, which the server bounds.
        return await self._patiently(
            lambda: (
                self._items.find(query).sort("seq", pymongo.ASCENDING).limit(-limit).to_list(None)
            )
        )

    async def has(self, session_id: str, item_id: object) -> bool:
        """Whether a document is there."""
        query = {"_id": item_id, "session_id": session_id}
        return await self._patiently(lambda: self._items.find_one(query, {"_id": 1})) is not None

    async def update_each(self, session_id: str, changes: Mapping[object, Document]) -> int:
        """Set these fields of each document that is still there; return how many were changed."""
        updates = [
            pymongo.UpdateOne({"_id": item_id, "session_id": session_id}, {"$set": fields})
            for item_id, fields in changes.items()
        ]
        result = await self._patiently(
            lambda: naming_no_text(self._items.bulk_write(updates, ordered=False))
        )
        return int(result.modified_count)

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
        set or a cluster): a second attempt of ours could remove a second item. So if no server is
        known, one is looked for first, as every other operation does it.
        """
        if not self._server.is_known():
            await self._patiently(lambda: self._items.database.command("ping"))
        with pymongo.timeout(self._retry_for):
            popped: Document | None = await self._items.find_one_and_delete(
                {"session_id": session_id}, sort=NEWEST_FIRST
            )
        return popped

    async def clear(self, session_id: str, head: Head | None = None) -> int:
        """Remove everything of a session, oldest first; return how many documents were removed.

        If it fails, the newest part is left. Each slice has ``retry_for`` seconds. The number is
        too low if a delete was tried again: the documents of an attempt whose answer was lost are
        not counted.

        ``head`` is what the caller takes for the newest item (None: not known).
        """
        removed = 0
        # A delete goes through the index newest first, and cannot be told otherwise.
        if head is None or head.seq > _SLICE:
            while (seq := await self._seq_at(session_id, _SLICE)) is not None:
                removed += await self._delete({"session_id": session_id, "seq": {"$lt": seq}})
        return removed + await self._delete({"session_id": session_id})

    async def _seq_at(self, session_id: str, index: int) -> int | None:
        """The seq of the item that has so many before it; None if there are not as many."""
        query, seq = {"session_id": session_id}, {"_id": 0, "seq": 1}
        oldest_first = [("seq", pymongo.ASCENDING)]
        found = await self._patiently(
            lambda: self._items.find_one(query, seq, sort=oldest_first, skip=index)
        )
        return None if found is None else found["seq"]

    async def _delete(self, query: Document) -> int:
        deleted = await self._patiently(lambda: self._items.delete_many(query))
        return int(deleted.deleted_count)

    async def latest_summary(
        self, session_id: str, fields: Document | None = None
    ) -> Document | None:
        """The newest document that carries a summary, or only these fields of it."""
        query = {"session_id": session_id, "summary": {"$exists": True}}
        return await self._patiently(lambda: self._items.find_one(query, fields, sort=NEWEST_FIRST))

    async def summarised_tokens(self, session_id: str) -> int:
        """The running total at the newest summary; 0 if there is none."""
        found = await self.latest_summary(session_id, {"total_tokens": 1})
        return (found or {}).get("total_tokens") or 0

    async def claim(
        self, session_id: str, item_id: object, claimant: ObjectId, seconds: float
    ) -> bool:
        """Claim the making of a summary that ends at this item, unless another worker has it."""
        query = {
            **_without_summary(session_id, item_id),
            "$or": [
                {"claim": {"$exists": False}},
                {"claim.id": claimant},
                {"$expr": {"$lte": ["$claim.until", self._time(0)]}},
            ],
        }
        claimed = {"claim.id": claimant, "claim.until": self._time(seconds)}
        return await self._update_one(query, [{"$set": claimed}])

    async def back_off(
        self, session_id: str, item_id: object, claimant: ObjectId, seconds: float
    ) -> None:
        """Turn a claim into a pause for every worker, and count the failure."""
        await self._give_up(session_id, item_id, claimant, seconds, failures=1)

    async def release(self, session_id: str, item_id: object, claimant: ObjectId) -> None:
        """Give a claim up: any worker may claim at once."""
        await self._give_up(session_id, item_id, claimant, 0, failures=0)

    async def _give_up(
        self, session_id: str, item_id: object, claimant: ObjectId, seconds: float, failures: int
    ) -> None:
        query = {**_without_summary(session_id, item_id), "claim.id": claimant}
        given_up = {
            "claim.until": self._time(seconds),
            "claim.failures": {"$add": [{"$ifNull": ["$claim.failures", 0]}, failures]},
        }
        # Not $unset, which mongomock does not have as a stage.
        await self._update_one(query, [{"$set": given_up}, {"$project": {"claim.id": 0}}])

    async def save_summary(
        self, session_id: str, item_id: object, claimant: ObjectId, summary: Mapping[str, Any]
    ) -> bool:
        """Keep a summary on this item, if it is there, has none, and no other worker claims it."""
        query = {
            **_without_summary(session_id, item_id),
            "$or": [{"claim.id": {"$exists": False}}, {"claim.id": claimant}],
        }
        return await self._update_one(
            query, {"$set": {"summary": dict(summary)}, "$unset": {"claim": ""}}
        )

    async def _update_one(self, query: Document, update: Document | list[Document]) -> bool:
        result = await self._patiently(lambda: self._items.update_one(query, update))
        return bool(result.matched_count)

    async def sessions(self, prefix: str, after: str | None, limit: int) -> list[Document]:
        """The newest and the oldest numbers of each session, in the order of their ids."""
        ids = {"session_id": id_range(prefix, after)}
        newest = await self._first_of_each(ids, pymongo.DESCENDING, limit)
        if not newest:
            return []
        listed = {"session_id": {"$in": [session["_id"] for session in newest]}}
        oldest = await self._first_of_each(listed, pymongo.ASCENDING, limit)
        first = {session["_id"]: session for session in oldest}
        # A session that was deleted in between has no oldest item.
        return [{**last, "first": first[last["_id"]]} for last in newest if last["_id"] in first]

    async def _first_of_each(self, query: Document, direction: int, limit: int) -> list[Document]:
        """In this form, the server looks at one key of the index per session (DISTINCT_SCAN).

        The order must be the index's, {session_id: 1, seq: -1}, or its exact reverse.
        """
        fields = ("seq", "tokens", "total_tokens", "created_at")
        pipeline: list[Document] = [
            {"$match": query},
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
        return await patiently(command, self._retry_for, server=self._server)


def _within(texts: Collection[str], characters: int) -> list[str]:
    """The first of the texts that have at most so many characters together."""
    lengths = accumulate(len(text) + 1 for text in texts)
    return [text for text, end in zip(texts, lengths, strict=True) if end <= characters]


def _without_summary(session_id: str, item_id: object) -> dict[str, Any]:
    return {"_id": item_id, "session_id": session_id, "summary": {"$exists": False}}
