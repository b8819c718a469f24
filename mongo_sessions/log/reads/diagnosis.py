"""Reads for a diagnosis of a whole collection. Each is bounded, and writes nothing."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

import pymongo
from bson import ObjectId

from ..documents import in_utc
from ..places import BARRIER, NEWEST_FIRST
from ..server.drivers import maybe_await
from ..server.primary import on_primary

if TYPE_CHECKING:
    from ..documents import Document
    from ..server.drivers import AnyDriver
    from ..server.retries import Retries


class Size(NamedTuple):
    """The size of the collection, as the server keeps it: without a scan."""

    documents: int
    """Items, and what is left of removed ones for an hour."""
    bytes: int
    """Of the documents, uncompressed."""
    stored_bytes: int
    """On disk, compressed."""
    index_bytes: int


class Clock(NamedTuple):
    """The clock of this machine against that of the server."""

    ahead_seconds: float
    """Negative: this machine is behind."""
    round_trip_seconds: float


class Attempt(NamedTuple):
    """The last attempt to make the next summary of a session."""

    seq: int
    """The item that the summary would end with."""
    failures: int
    reason: str
    """Why the last attempt failed, without text of the conversation."""
    until: datetime
    """No worker tries before, by the server's clock. UTC."""


class LeftOver(NamedTuple):
    """An interrupted clear: no reader sees the items below it, which are still stored."""

    session_id: str
    seq: int
    began_at: datetime


class Diagnosis:
    """Looks at one collection."""

    def __init__(self, database: AnyDriver, collection: str, retries: Retries) -> None:
        self._database = database
        self._items = on_primary(database, collection)
        self._retries = retries

    async def size(self) -> Size:
        """The size of the collection; zeros if there is none."""
        stats: Document = await self._retries.run(
            lambda: self._database.command("collStats", self._items.name)
        )
        fields = ("count", "size", "storageSize", "totalIndexSize")
        return Size(*(int(stats.get(field, 0)) for field in fields))

    async def bytes_of(self, session_id: str) -> int:
        """The size of the documents of a session: the server reads all of them."""
        pipeline: list[Document] = [
            {"$match": {"session_id": session_id}},
            {"$group": {"_id": None, "bytes": {"$sum": {"$bsonSize": "$$ROOT"}}}},
        ]

        async def aggregate() -> list[Document]:
            cursor = await maybe_await(self._items.aggregate(pipeline))
            found: list[Document] = await cursor.to_list(None)
            return found

        found = await self._retries.run(aggregate)
        return int(found[0]["bytes"]) if found else 0

    async def last_attempt(self, session_id: str) -> Attempt | None:
        """The newest failed attempt that no summary has followed; None if there is none.

        The server reads the session backwards as far as the newest summary.
        """
        query: Document = {
            "session_id": session_id,
            "$or": [{"claim": {"$exists": True}}, {"summary": {"$exists": True}}],
        }
        fields = ["seq", "claim", "barrier"]
        found: Document | None = await self._retries.run(
            lambda: self._items.find_one(query, fields, sort=NEWEST_FIRST)
        )
        claim = (found or {}).get("claim")
        if found is None or not claim or not claim.get("failures"):
            return None
        until = in_utc(claim["until"])
        return Attempt(found["seq"], claim["failures"], claim.get("reason", ""), until)

    async def left_overs(self, limit: int, seconds: float) -> list[LeftOver]:
        """Interrupted clears, by the index of summaries.

        Raises:
            ExecutionTimeout: it took longer than ``seconds``.
        """
        query: Document = {**BARRIER, "gone_at": {"$exists": False}}
        fields = ["session_id", "seq", "barrier"]

        order = [("session_id", pymongo.ASCENDING), ("seq", pymongo.DESCENDING)]
        cursor = self._items.find(query, fields).sort(order).limit(limit)
        found: list[Document] = await cursor.max_time_ms(int(seconds * 1000)).to_list(None)
        return [LeftOver(one["session_id"], one["seq"], _time_of(one["barrier"])) for one in found]

    async def clock(self) -> Clock:
        """Compare the clocks: exact to half a round trip."""
        before = time.monotonic()
        told = await self._database.command("hello")
        here = datetime.now(timezone.utc)
        took = time.monotonic() - before
        ahead = (here - in_utc(told["localTime"])).total_seconds() - took / 2
        return Clock(ahead, took)


def _time_of(token: object) -> datetime:
    """When a token was made: by the clock of a client."""
    if isinstance(token, ObjectId):
        return token.generation_time
    return datetime.fromtimestamp(0, timezone.utc)
