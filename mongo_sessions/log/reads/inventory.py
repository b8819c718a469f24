"""Exact totals of a session, counted on the server: for a diagnosis."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..places import OLDEST_FIRST
from ..writes.clear import cleared_to

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from ..documents import Document
    from ..server.clock import Time
    from ..server.lasting import LastingReads

_MOST_DATES = 1_000


class Counted(NamedTuple):
    """A number of stored items, and their stored tokens."""

    items: int = 0
    tokens: int = 0


class Totals(NamedTuple):
    """The items of a session, each counted once."""

    before: Counted = Counted()
    """Up to the given place."""
    after: Counted = Counted()
    first_seq: int = 0
    """Of the oldest item; 0 if there are none."""
    last_seq: int = 0
    now: datetime | None = None
    """The server's time; None if there are no items."""


class Inventory:
    """Counts the items of the sessions of one collection. It takes time linear in their number."""

    def __init__(self, lasting: LastingReads, time: Time) -> None:
        self._lasting = lasting
        self._time = time

    async def totals(self, session_id: str, *, split_seq: int, last_seq: int) -> Totals:
        """Count the items up to ``last_seq``: up to ``split_seq``, and after it."""
        after_seq = await cleared_to(self._lasting, session_id)
        seqs = {"$gt": after_seq, "$lte": last_seq}
        pipeline: list[Document] = [
            {"$match": {"session_id": session_id, "seq": seqs, "item": {"$exists": True}}},
            {
                "$group": {
                    "_id": {"$lte": ["$seq", split_seq]},
                    "items": {"$sum": 1},
                    "tokens": {"$sum": "$tokens"},
                    "first": {"$min": "$seq"},
                    "last": {"$max": "$seq"},
                    "now": {"$max": self._time(0)},
                }
            },
        ]
        groups = await self._lasting.aggregate(pipeline)
        if not groups:
            return Totals()
        counted = {group["_id"]: Counted(group["items"], group["tokens"]) for group in groups}
        return Totals(
            before=counted.get(True, Counted()),
            after=counted.get(False, Counted()),
            first_seq=min(group["first"] for group in groups),
            last_seq=max(group["last"] for group in groups),
            now=max(group["now"] for group in groups),
        )

    async def dates(self, session_id: str, seqs: Collection[int]) -> dict[int, datetime]:
        """When the documents at these places were added, without time zone; one find for all."""
        wanted = list(seqs)[-_MOST_DATES:]
        if not wanted:
            return {}
        query: Document = {"session_id": session_id, "seq": {"$in": wanted}}
        fields = ["seq", "created_at"]
        found = await self._lasting.find(query, fields, OLDEST_FIRST, len(wanted))
        return {one["seq"]: one["created_at"] for one in found}
