"""Clearing a session: a barrier, in one atomic step, and the removal of what lies below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bson import ObjectId

from .places import MARK_OR_BARRIER, NUMBERS, OLDEST_FIRST, REMOVAL, is_live

if TYPE_CHECKING:
    from .documents import Document
    from .drivers import AnyDriver
    from .marks import Marker
    from .retries import Retries

# Documents that one update changes: some 0.5 seconds. An attempt at more would run out of time.
_SLICE = 10_000


class Clearer:
    """Clears the sessions of one collection; each command may be tried again."""

    def __init__(self, items: AnyDriver, marker: Marker, retries: Retries) -> None:
        self._items = items
        self._marker = marker
        self._retries = retries

    async def clear(self, session_id: str) -> int:
        """Remove everything of a session; return how many items that were.

        Once there is the barrier, no reader sees what is below. If the removal fails then, another
        clear finishes it, or a reader that meets the barrier.

        The number is too low if a command was tried again: what an attempt removed whose answer was
        lost is not counted.

        On a standalone server, or with ``retryWrites=false``, attempts are not fenced (see
        :class:`Marker`). One that takes place after the call has ended puts a second barrier on the
        newest place of that time: what was added in between is removed.
        """
        token = ObjectId()
        # The server chooses a document, and then may wait for a transaction that writes to it. If
        # it does not match any more after that, the server chooses again.
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
        """Remove what lies below a barrier, oldest first; return how many items that were."""
        removed, start, end = 0, 0, barrier["seq"]
        while end - start > _SLICE:
            slice_end = await self._seq_at(session_id, start, _SLICE)
            if slice_end is None or slice_end >= end:
                break
            removed += await self._remove(session_id, start, slice_end)
            start = slice_end
        removed += await self._remove(session_id, start, end)
        # The server may delete the barrier from now on.
        cleaned = {"session_id": session_id, "_id": barrier["_id"], "gone_at": {"$exists": False}}
        dated = {"$currentDate": {"gone_at": True}}
        await self._retries.run(lambda: self._items.update_one(cleaned, dated))
        return removed

    async def _seq_at(self, session_id: str, start: int, index: int) -> int | None:
        """The place with so many before it, from ``start`` on; None if there are not as many."""
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
        }
        result = await self._retries.run(lambda: self._items.update_many(still_there, REMOVAL))
        return int(result.modified_count)


def to_barrier(token: ObjectId) -> list[dict[str, Any]]:
    """Leave a barrier as it is: what is below it is gone already."""
    return [
        {
            "$set": {
                "barrier": {"$ifNull": ["$barrier", token]},
                "gone_at": {"$cond": ["$barrier", "$gone_at", "$$REMOVE"]},
                "summary": None,
            }
        },
        {"$project": {"item": 0, "claim": 0}},
    ]
