"""Summaries on items of the log, and the leases for making the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .places import NEWEST_FIRST, is_barrier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bson import ObjectId

    from .documents import Document
    from .server.clock import Time
    from .server.drivers import AnyDriver
    from .server.lasting import LastingReads
    from .server.retries import Retries

# Of :meth:`Claims.forget`. A second round needs a fold that ends within the first one.
_ROUNDS = 10


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
        return await self._update_one(query, self._claimed(claimant, seconds))

    async def renew(
        self, session_id: str, item_id: object, claimant: ObjectId, seconds: float
    ) -> bool:
        """Extend a lease; False if it was taken over, or removed by :meth:`forget`."""
        query = {**_without_summary(session_id, item_id), "claim.id": claimant}
        return await self._update_one(query, self._claimed(claimant, seconds))

    def _claimed(self, claimant: ObjectId, seconds: float) -> list[Document]:
        return [{"$set": {"claim.id": claimant, "claim.until": self._time(seconds)}}]

    async def back_off(
        self, session_id: str, item_id: object, claimant: ObjectId, seconds: float, reason: str
    ) -> None:
        """Count a failure, and let no worker claim for ``seconds``."""
        failed = {"claim.reason": {"$literal": reason}}
        await self._give_up(session_id, item_id, claimant, seconds, failures=1, changes=failed)

    async def release(self, session_id: str, item_id: object, claimant: ObjectId) -> None:
        """Give up the lease: any worker may claim at once."""
        await self._give_up(session_id, item_id, claimant, 0, failures=0, changes={})

    async def _give_up(
        self,
        session_id: str,
        item_id: object,
        claimant: ObjectId,
        seconds: float,
        *,
        failures: int,
        changes: Document,
    ) -> None:
        query = {**_without_summary(session_id, item_id), "claim.id": claimant}
        given_up = {
            **changes,
            "claim.until": self._time(seconds),
            "claim.failures": {"$add": [{"$ifNull": ["$claim.failures", 0]}, failures]},
        }
        # Not $unset, which mongomock does not support as a stage.
        await self._update_one(query, [{"$set": given_up}, {"$project": {"claim.id": 0}}])

    async def save_summary(
        self,
        session_id: str,
        item_id: object,
        claimant: ObjectId | None,
        summary: Mapping[str, Any],
        pins: Sequence[Document] = (),
    ) -> bool:
        """Store a summary on this item, with the pinned items that it covers, if it has none.

        With a ``claimant``, only under its lease: :meth:`forget` may have removed that. With None,
        only if no worker has a lease.
        """
        lease = {"$exists": False} if claimant is None else claimant
        query = {**_without_summary(session_id, item_id), "claim.id": lease}
        stored = {"summary": dict(summary), **({"pins": list(pins)} if pins else {})}
        return await self._update_one(query, {"$set": stored, "$unset": {"claim": ""}})

    async def forget(self, session_id: str, from_seq: int = 0) -> int:
        """Remove all summaries and claims from a place on; return the number of summaries.

        A fold reads the summary that it is based on under its lease. So once the summaries are
        removed, each fold that is based on one of them has a lease, which is removed next, or has
        saved in between: then there is another round. A fold needs several round trips and an
        answer of the summariser, and must begin anew after each round, so the rounds end.

        The number is too low if a command was retried: it lacks the summaries that were removed by
        an attempt whose answer was lost.
        """
        of_items = {"session_id": session_id, "item": {"$exists": True}}
        if from_seq:
            of_items["seq"] = {"$gte": from_seq}
        summaries = {**of_items, "summary": {"$exists": True}}
        removed = await self._remove(summaries)
        for _ in range(_ROUNDS):
            await self._remove({**of_items, "claim": {"$exists": True}})
            saved_meanwhile = await self._remove(summaries)
            removed += saved_meanwhile
            if not saved_meanwhile:
                break
        return removed

    async def _remove(self, query: Document) -> int:
        unset = {"$unset": {"summary": "", "claim": "", "pins": ""}}
        result = await self._retries.run(lambda: self._items.update_many(query, unset))
        return int(result.modified_count)

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
