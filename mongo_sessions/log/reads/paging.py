"""Pages of a session for its readers, newest page first: one round trip each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..places import BARRIER, LIVE_OR_BARRIER, NEWEST_FIRST, is_barrier

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..documents import Document
    from ..server.lasting import LastingReads

_ABOVE = "above"


class Paged(NamedTuple):
    """The documents with items of one page, newest first."""

    documents: list[Document]
    has_more: bool
    """Whether there are older items."""


class Paging:
    """Reads pages. ``on_left_over`` is called for a barrier with items below it.

    ``has_union``: whether the server knows ``$unionWith``.
    """

    def __init__(
        self,
        lasting: LastingReads,
        on_left_over: Callable[[str, Document], None],
        *,
        has_union: bool,
    ) -> None:
        self._lasting = lasting
        self._on_left_over = on_left_over
        self._has_union = has_union

    async def page(self, session_id: str, limit: int, before_seq: int | None) -> Paged:
        """The newest ``limit`` items below ``before_seq`` (None: of all)."""
        query: Document = {"session_id": session_id, **LIVE_OR_BARRIER}
        if before_seq is None:
            documents = await self._lasting.find(query, None, NEWEST_FIRST, limit + 1)
        else:
            documents = await self._below(session_id, query, limit + 1, before_seq)
        live: list[Document] = []
        for document in documents:
            if is_barrier(document):
                if "gone_at" not in document:
                    self._on_left_over(session_id, document)
                break
            live.append(document)
        return Paged(live[:limit], has_more=len(live) > limit)

    async def _below(
        self, session_id: str, query: Document, limit: int, before_seq: int
    ) -> list[Document]:
        """The newest documents below ``before_seq``, or the newest barrier from there on.

        The barrier is read last: a clear writes it before it removes the items below.
        """
        below = {**query, "seq": {"$lt": before_seq}}
        above = {"session_id": session_id, **BARRIER, "seq": {"$gte": before_seq}}
        if not self._has_union:
            found = await self._lasting.find(below, None, NEWEST_FIRST, limit)
            barrier = await self._lasting.find_one(above, None, NEWEST_FIRST)
            return found if barrier is None else [barrier]
        newest = {"$sort": dict(NEWEST_FIRST)}
        barriers = [{"$match": above}, newest, {"$limit": 1}, {"$addFields": {_ABOVE: True}}]
        union = {"$unionWith": {"coll": self._lasting.collection, "pipeline": barriers}}
        pipeline: list[Document] = [{"$match": below}, newest, {"$limit": limit}, union]
        found = await self._lasting.aggregate(pipeline)
        return found[-1:] if found and _ABOVE in found[-1] else found
