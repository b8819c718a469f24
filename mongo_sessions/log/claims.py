"""Summaries on items of the log, and the leases for making the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .places import NEWEST_FIRST, is_barrier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bson import ObjectId

    from .clock import Time
    from .documents import Document
    from .drivers import AnyDriver
    from .lasting import LastingReads
    from .retries import Retries


class Claims:
    """The summaries of one collection. A claim is a lease that expires by the server's clock."""

    def __init__(
        self, items: AnyDriver, lasting: LastingReads, retries: Retries, time: Time
    ) -> None:
        self._items = items
        self._lasting = lasting
        self._time = time
        self._retries = retries

    async def latest_summary(
        self, session_id: str, fields: Document | None = None
    ) -> Document | None:
        """The newest document that carries a summary, with all or only these fields.

        The index of the summaries contains barriers, too. There is no summary below a barrier.
        """
        query = {"session_id": session_id, "summary": {"$exists": True}}
        if fields is not None:
            fields = {**fields, "barrier": 1}
        # Lasting, as the reads of the items are: a summary that they do not show yet would not fit.
        found = await self._lasting.find_one(query, fields, NEWEST_FIRST)
        return None if found is None or is_barrier(found) else found

    async def summarised_tokens(self, session_id: str) -> int:
        """The running total at the newest summary; 0 if there is none."""
        found = await self.latest_summary(session_id, {"total_tokens": 1})
        return (found or {}).get("total_tokens") or 0

    async def claim(
        self, session_id: str, item_id: object, claimant: ObjectId, seconds: float
    ) -> bool:
        """Acquire the lease for the summary that ends here; False if another worker has it."""
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
        """Count a failure, and let no worker claim for ``seconds``."""
        await self._give_up(session_id, item_id, claimant, seconds, failures=1)

    async def release(self, session_id: str, item_id: object, claimant: ObjectId) -> None:
        """Give up the lease: any worker may claim at once."""
        await self._give_up(session_id, item_id, claimant, 0, failures=0)

    async def _give_up(
        self, session_id: str, item_id: object, claimant: ObjectId, seconds: float, failures: int
    ) -> None:
        query = {**_without_summary(session_id, item_id), "claim.id": claimant}
        given_up = {
            "claim.until": self._time(seconds),
            "claim.failures": {"$add": [{"$ifNull": ["$claim.failures", 0]}, failures]},
        }
        # Not $unset, which mongomock does not support as a stage.
        await self._update_one(query, [{"$set": given_up}, {"$project": {"claim.id": 0}}])

    async def save_summary(
        self, session_id: str, item_id: object, claimant: ObjectId, summary: Mapping[str, Any]
    ) -> bool:
        """Store a summary on this item if it has none, and no other worker has claimed it."""
        query = {
            **_without_summary(session_id, item_id),
            "$or": [{"claim.id": {"$exists": False}}, {"claim.id": claimant}],
        }
        return await self._update_one(
            query, {"$set": {"summary": dict(summary)}, "$unset": {"claim": ""}}
        )

    async def _update_one(self, query: Document, update: Document | list[Document]) -> bool:
        result = await self._retries.run(lambda: self._items.update_one(query, update))
        return bool(result.matched_count)


def _without_summary(session_id: str, item_id: object) -> dict[str, Any]:
    """Matches the item unless it was removed, which turns its document into a mark."""
    return {
        "_id": item_id,
        "session_id": session_id,
        "item": {"$exists": True},
        "summary": {"$exists": False},
    }
