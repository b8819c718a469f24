"""The reads and writes of a recount: documents of every state, their counts, a final mark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pymongo
from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from .places import LIVE_OR_BARRIER, NEWEST_FIRST, NUMBERS
from .writes.redaction import redact_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .documents import Document
    from .server.drivers import AnyDriver
    from .server.lasting import LastingReads
    from .server.retries import Retries


class Counts:
    """The counts in the documents of one collection."""

    def __init__(self, items: AnyDriver, lasting: LastingReads, retries: Retries) -> None:
        self._items = items
        self._lasting = lasting
        self._retries = retries

    async def oldest_batch(self, session_id: str, limit: int, after_seq: int) -> list[Document]:
        """The oldest documents above ``after_seq``, marks and barriers included.

        They have at most 16 MB together, but at least one is returned.
        """
        query = {"session_id": session_id, "seq": {"$gt": after_seq}}

        async def find(items: AnyDriver) -> list[Document]:
            # A negative limit returns a single batch, whose size the server limits: by default, to
            # 101 documents, too.
            cursor = items.find(query).sort("seq", pymongo.ASCENDING).limit(-limit)
            cursor = cursor.batch_size(limit)
            found: list[Document] = await cursor.to_list(None)
            return found

        # Lasting: `take` takes the place after the last one, and no election may free that place.
        return await self._lasting.retry(find)

    async def numbers_at(self, session_id: str, seq: int) -> Document | None:
        """The numbers of the newest item or barrier up to this place."""
        query = {"session_id": session_id, "seq": {"$lte": seq}, **LIVE_OR_BARRIER}
        return await self._lasting.find_one(query, NUMBERS, NEWEST_FIRST)

    async def take(self, session_id: str, seq: int) -> bool:
        """Insert a mark at this place; return False if the place is taken.

        The mark makes a concurrent append that was numbered for this place read the head again.
        """
        mark_id = ObjectId()
        created = {"$setOnInsert": {"seq": seq, "turn": 0}}
        dated = {"$currentDate": {"gone_at": True, "created_at": True}}
        try:
            await self._retries.run(
                lambda: self._items.update_one(
                    {"_id": mark_id, "session_id": session_id}, {**created, **dated}, upsert=True
                )
            )
        except DuplicateKeyError:
            return False
        return True

    async def update_each(self, session_id: str, changes: Mapping[object, Document]) -> int:
        """Set these fields of each item that still exists; return the number of changes."""
        updates = [
            pymongo.UpdateOne(
                {"_id": item_id, "session_id": session_id, "item": {"$exists": True}},
                {"$set": fields},
            )
            for item_id, fields in changes.items()
        ]
        result = await self._retries.run(
            lambda: redact_errors(self._items.bulk_write(updates, ordered=False))
        )
        return int(result.modified_count)
