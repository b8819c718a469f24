"""Clear a session: write a barrier in one atomic step, then remove the items below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bson import ObjectId

from ..places import (
    BARRIER,
    CONTENT,
    MARK_OR_BARRIER,
    NEWEST_FIRST,
    NUMBERS,
    OLDEST_FIRST,
    REMOVAL,
    is_live,
)

if TYPE_CHECKING:
    from ..documents import Document
    from ..server.clock import Time
    from ..server.drivers import AnyDriver
    from ..server.lasting import LastingReads
    from ..server.retries import Retries
    from .marks import Marker

# Documents per update: about 0.5 seconds. A larger update could exceed the time of an attempt.
_SLICE = 10_000


class Clearer:
    """Clears the sessions of one collection. Each command is idempotent, and so may be retried."""

    def __init__(self, items: AnyDriver, marker: Marker, retries: Retries, time: Time) -> None:
        self._items = items
        self._time = time
        self._marker = marker
        self._retries = retries

    async def clear(self, session_id: str) -> int:
        """Remove all items of a session; return their number.

        Readers ignore everything below the barrier. If the removal fails after the barrier was
        written, another clear or a reader that finds the barrier completes it.

        The number is too low if a command was retried: it lacks the items that were removed by an
        attempt whose answer was lost.

        On a standalone server, or with ``retryWrites=false``, attempts are not fenced (see
        :class:`Marker`). An attempt that is applied after the call has ended puts a second barrier
        on the newest place, which removes the items that were added in between.
        """
        token = ObjectId()
        # The server selects a document, and may then wait for a transaction that writes to it. If
        # the document no longer matches after the wait, the server selects again.
        query = {"session_id": session_id, "replaced": {"$exists": False}}
        marked = {"session_id": session_id, **MARK_OR_BARRIER, "barrier": token}
        before, after = await self._marker.mark_newest(
            query, to_barrier(token), marked=marked, fields=NUMBERS
        )
        barrier = after or before
        if barrier is None or {"barrier", "gone_at"} <= barrier.keys():
            return 0
        newest = before is not None and is_live(before)
        return newest + await self.clean(session_id, barrier)

    async def clean(self, session_id: str, barrier: Document) -> int:
        """Remove the items below a barrier, oldest first; return their number.

        Nothing is removed while a fork copies items there: see :class:`Forker`.
        """
        if "copying" in barrier and not await self._take_over(session_id, barrier):
            return 0
        removed, start, end = 0, 0, barrier["seq"]
        while end - start > _SLICE:
            slice_end = await self._seq_at(session_id, start, _SLICE)
            if slice_end is None or slice_end >= end:
                break
            removed += await self._remove(session_id, start, slice_end)
            start = slice_end
        removed += await self._remove(session_id, start, end)
        # From now on, the TTL index may delete the barrier, and older ones.
        cleaned = {
            "session_id": session_id,
            **BARRIER,
            "seq": {"$lte": end},
            "gone_at": {"$exists": False},
        }
        dated = {"$currentDate": {"gone_at": True}}
        await self._retries.run(lambda: self._items.update_many(cleaned, dated))
        return removed

    async def _take_over(self, session_id: str, barrier: Document) -> bool:
        """End a copy that was given up; False if it is under way, or complete."""
        given_up = {
            "session_id": session_id,
            "_id": barrier["_id"],
            "$expr": {"$lte": ["$copying.until", self._time(0)]},
            "copying": {"$exists": True},
        }
        end = {"$unset": {"copying": ""}}
        result = await self._retries.run(lambda: self._items.update_one(given_up, end))
        return bool(result.matched_count)

    async def _seq_at(self, session_id: str, start: int, index: int) -> int | None:
        """The place of the document at ``index``, counted from ``start``; None at the end."""
        query, seq = {"session_id": session_id, "seq": {"$gte": start}}, {"_id": 0, "seq": 1}
        found = await self._retries.run(
            lambda: self._items.find_one(query, seq, sort=OLDEST_FIRST, skip=index)
        )
        return None if found is None else found["seq"]

    async def _remove(self, session_id: str, start: int, end: int) -> int:
        still_there = {
            "session_id": session_id,
            "seq": {"$gte": start, "$lt": end},
            "gone_at": {"$exists": False},
            # A barrier stays: a run that began before a deletion looks for that.
            "barrier": {"$exists": False},
        }
        result = await self._retries.run(lambda: self._items.update_many(still_there, REMOVAL))
        return int(result.modified_count)


def to_barrier(token: ObjectId) -> list[dict[str, Any]]:
    """The update that makes a barrier of a document. A barrier stays as it is."""
    return [
        {
            "$set": {
                "barrier": {"$ifNull": ["$barrier", token]},
                "gone_at": {"$cond": ["$barrier", "$gone_at", "$$REMOVE"]},
                "summary": None,
            }
        },
        {"$project": dict.fromkeys([field for field in CONTENT if field != "summary"], 0)},
    ]


async def cleared_to(lasting: LastingReads, session_id: str) -> int:
    """The place of the newest barrier; 0 if there is none. Uses the index of summaries."""
    # Without ``_id``, the index of the summaries answers alone.
    query, fields = {"session_id": session_id, **BARRIER}, {"_id": 0, "seq": 1}
    found = await lasting.find_one(query, fields, NEWEST_FIRST)
    return 0 if found is None else found["seq"]
