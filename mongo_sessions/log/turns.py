"""The lease on a session: one turn at a time. It expires by the server's clock.

It is a field of the session's document in the second collection, which may hold other fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pymongo
from pymongo import ReturnDocument

from .server.retries import is_transient_or_conflict, retrying

if TYPE_CHECKING:
    from bson import ObjectId

    from .documents import Document
    from .server.clock import Time
    from .server.deployment import Deployment
    from .server.drivers import AnyDriver
    from .server.retries import Retries


class Turns:
    """The leases of one collection's sessions. ``holder`` is an id that is made for one lease."""

    def __init__(
        self, cards: AnyDriver, retries: Retries, deployment: Deployment, time: Time
    ) -> None:
        self._cards = cards
        self._retries = retries
        self._has_clock = deployment.has_clock
        self._time = time

    async def acquire(self, session_id: str, holder: ObjectId, seconds: float) -> bool:
        """Acquire the lease for ``seconds``; False if another holder has it.

        One command. After a lost answer it is sent again, and finds its own id.
        """
        is_free = {"$lte": [{"$ifNull": ["$turn.until", self._time(0)]}, self._time(0)]}
        is_ours = {"$eq": ["$turn.id", holder]}
        ours = {"id": holder, "until": self._time(seconds)}
        turn = {"$cond": [{"$or": [is_free, is_ours]}, ours, "$turn"]}
        backoff = self._retries.backoff()
        with pymongo.timeout(self._retries.seconds):
            # A conflict: two commands made the document, and this one was second.
            async for attempt in backoff.attempts(is_transient_or_conflict):
                with attempt, backoff.time_limit():
                    stored = await self._find_and_change(session_id, [{"$set": {"turn": turn}}])
        return bool(stored["turn"]["id"] == holder)

    async def prolong(self, session_id: str, holder: ObjectId, seconds: float) -> bool:
        """Extend the lease to ``seconds`` from now; False if it is lost.

        An expired lease is extended, too, if no other holder has had it.
        """
        until = [{"$set": {"turn.until": self._time(seconds)}}]
        held = _held(session_id, holder)
        result = await retrying(
            lambda: self._cards.update_one(held, until), seconds, server=self._retries.server
        )
        return bool(result.matched_count)

    async def release(self, session_id: str, holder: ObjectId, seconds: float) -> None:
        """Give up the lease, if this holder still has it; retry for ``seconds``."""
        held = _held(session_id, holder)
        await retrying(
            lambda: self._cards.update_one(held, {"$unset": {"turn": ""}}),
            seconds,
            server=self._retries.server,
        )

    async def _find_and_change(self, session_id: str, changes: list[Document]) -> Document:
        query = {"_id": session_id}
        if self._has_clock:
            changed: Document = await self._cards.find_one_and_update(
                query, changes, ["turn"], upsert=True, return_document=ReturnDocument.AFTER
            )
            return changed
        # mongomock: its find_one_and_update takes no pipeline
        await self._cards.update_one(query, changes, upsert=True)
        stored: Document = await self._cards.find_one(query, ["turn"])
        return stored


def _held(session_id: str, holder: ObjectId) -> Document:
    return {"_id": session_id, "turn.id": holder}
