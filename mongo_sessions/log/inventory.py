"""Exact totals of a session, counted on the server: for a diagnosis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .drivers import AnyDriver, maybe_await
from .places import BARRIER, NEWEST_FIRST

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from .clock import Time
    from .documents import Document
    from .lasting import LastingReads

_MOST_DATES = 1_000


class Counted(NamedTuple):
    """A number of stored items, and their stored tokens."""

    items: int = 0
    tokens: int = 0


class Totals(NamedTuple):
    """The items of a session, each counted once."""

    shown: Counted = Counted()
    covered: Counted = Counted()
    """Not shown, up to the anchor of the summary."""
    rest: Counted = Counted()
    now: datetime | None = None
    """The server's time; None if there are no items."""


class Inventory:
    """Counts the items of the sessions of one collection. It takes time linear in their number."""

    def __init__(self, lasting: LastingReads, time: Time) -> None:
        self._lasting = lasting
        self._time = time

    async def totals(
        self,
        session_id: str,
        shown: Sequence[tuple[int, int]],
        *,
        covered_to: int,
        last_seq: int | None,
    ) -> Totals:
        """Count the items up to ``last_seq`` (None: all) in three parts.

        ``shown`` are ranges of seqs, both ends included; ``covered_to`` is the last seq that a
        summary covers.
        """
        barrier = await self._lasting.find_one(
            {"session_id": session_id, **BARRIER}, ["seq"], NEWEST_FIRST
        )
        seqs: dict[str, int] = {"$gt": barrier["seq"] if barrier else 0}
        if last_seq is not None:
            seqs["$lte"] = last_seq
        part = {"$cond": [{"$lte": ["$seq", covered_to]}, "covered", "rest"]}
        if shown:
            part = {"$cond": [{"$or": [_is_within(*ends) for ends in shown]}, "shown", part]}
        pipeline: list[Document] = [
            {"$match": {"session_id": session_id, "seq": seqs, "item": {"$exists": True}}},
            {
                "$group": {
                    "_id": part,
                    "items": {"$sum": 1},
                    "tokens": {"$sum": "$tokens"},
                    "now": {"$max": self._time(0)},
                }
            },
        ]

        async def aggregate(items: AnyDriver) -> list[Document]:
            cursor = await maybe_await(items.aggregate(pipeline))
            found: list[Document] = await cursor.to_list(None)
            return found

        groups = await self._lasting.retry(aggregate)
        parts = {group["_id"]: Counted(group["items"], group["tokens"]) for group in groups}
        return Totals(**parts, now=max((group["now"] for group in groups), default=None))

    async def dates(self, session_id: str, seqs: Collection[int]) -> dict[int, datetime]:
        """When the documents at these places were added, without time zone; one find for all."""
        wanted = list(seqs)[-_MOST_DATES:]
        if not wanted:
            return {}
        query: Document = {"session_id": session_id, "seq": {"$in": wanted}}

        async def find(items: AnyDriver) -> list[Document]:
            cursor = items.find(query, {"_id": 0, "seq": 1, "created_at": 1}).limit(len(wanted))
            found: list[Document] = await cursor.to_list(None)
            return found

        return {found["seq"]: found["created_at"] for found in await self._lasting.retry(find)}


def _is_within(first: int, last: int) -> dict[str, Any]:
    return {"$and": [{"$gte": ["$seq", first]}, {"$lte": ["$seq", last]}]}
