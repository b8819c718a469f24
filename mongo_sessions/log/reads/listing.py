"""List the sessions in the order of their ids, with the numbers of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pymongo

from ..documents import Head
from ..places import (
    BARRIER,
    LIVE_OR_BARRIER,
    NEWEST_FIRST,
    NUMBERS,
    OLDEST_FIRST,
    is_barrier,
    is_live,
)
from ..session_ids import id_range

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from ..documents import Document
    from ..server.lasting import LastingReads


class Listed(NamedTuple):
    """A session with items."""

    session_id: str
    items: int
    total_tokens: int | None
    """The running total at the newest item; None if it was stored without counts."""
    tokens_before: int
    """The running total before the oldest item: the tokens that retention has deleted."""
    updated_at: datetime
    began_at: datetime
    """When the oldest item was added."""
    last_seq: int
    """The newest place, which may be that of a removed item."""

    @property
    def tokens(self) -> int:
        """Of the stored items; 0 if they were stored without counts."""
        return (self.total_tokens or 0) - self.tokens_before


class Listing:
    """Lists the sessions of one collection.

    ``on_left_over`` is called for a session with a barrier if items below it may not be removed
    yet. The reads are lasting: if an election rolled back a barrier that a read has returned, the
    items that were removed because of it would be lost.
    """

    def __init__(
        self,
        lasting: LastingReads,
        on_left_over: Callable[[str, Document], None],
    ) -> None:
        self._lasting = lasting
        self._on_left_over = on_left_over

    async def sessions(self, prefix: str, after: str | None, limit: int) -> list[Listed]:
        """The next ``limit`` sessions by id; fewer only at the end."""
        listed: list[Listed] = []
        while len(listed) < limit:
            missing = limit - len(listed)
            ids = {"session_id": id_range(prefix, after)}
            newest = await self._first_of_each(ids, pymongo.DESCENDING, missing)
            listed += await self._with_items(newest)
            if len(newest) < missing:
                break
            after = newest[-1]["_id"]  # some of them have no items
        return listed

    async def these(self, session_ids: Sequence[str]) -> list[Listed]:
        """The sessions with these ids that have items; in any order."""
        query = {"session_id": {"$in": list(session_ids)}}
        newest = await self._first_of_each(query, pymongo.DESCENDING, max(1, len(session_ids)))
        return await self._with_items(newest)

    async def _with_items(self, newest: list[Document]) -> list[Listed]:
        last: dict[str, Document] = {}
        places = {document["_id"]: document["seq"] for document in newest}
        for document in newest:
            session_id = document["_id"]
            with_item: Document | None = document
            if not is_live(document):
                with_item = await self._newest_item(session_id, document)
            if with_item is not None:
                last[session_id] = with_item
        if not last:
            return []
        query = {"session_id": {"$in": list(last)}}
        oldest = {
            document["_id"]: document
            for document in await self._first_of_each(query, pymongo.ASCENDING, len(last))
        }
        listed = []
        for session_id, newest_item in last.items():
            first = oldest.get(session_id)
            if first is not None and not _is_surely_there(first, newest_item):
                first = await self._oldest_item(session_id)
            if first is not None:  # otherwise it was deleted in between
                listed.append(_listed(session_id, newest_item, first, places[session_id]))
        return listed

    async def _newest_item(self, session_id: str, newest: Document) -> Document | None:
        """The newest document with an item, if the document of the newest place has none."""
        if is_barrier(newest) and "gone_at" in newest:
            return None
        found = await self._first(session_id, LIVE_OR_BARRIER, NEWEST_FIRST)
        if found is None or not is_barrier(found):
            return found
        if "gone_at" not in found:
            self._on_left_over(session_id, found)
        return None

    async def _oldest_item(self, session_id: str) -> Document | None:
        """The oldest document with an item above the newest barrier."""
        found = await self._first(session_id, BARRIER, NEWEST_FIRST)
        query: Document = {"item": {"$exists": True}}
        if found is not None:
            query = {**query, "seq": {"$gt": found["seq"]}}
            if "gone_at" not in found:
                self._on_left_over(session_id, found)
        return await self._first(session_id, query, OLDEST_FIRST)

    async def _first(
        self, session_id: str, query: Document, order: list[tuple[str, int]]
    ) -> Document | None:
        return await self._lasting.find_one({"session_id": session_id, **query}, NUMBERS, order)

    async def _first_of_each(self, query: Document, direction: int, limit: int) -> list[Document]:
        """The first document of each session: the server reads one index key per session.

        A DISTINCT_SCAN needs the order of the index, {session_id: 1, seq: -1}, or its reverse.
        """
        pipeline: list[Document] = [
            {"$match": query},
            {"$sort": {"session_id": -direction, "seq": direction}},
            {"$group": {"_id": "$session_id", **{f: {"$first": f"${f}"} for f in NUMBERS}}},
            {"$sort": {"_id": 1}},
            {"$limit": limit},
        ]
        found = await self._lasting.aggregate(pipeline)
        return [_without_nulls(document) for document in found]


def _is_surely_there(first: Document, newest: Document) -> bool:
    """Whether the first document holds an item, and no barrier can be above it.

    A clear turns every place up to its barrier into a gap: the newest item counts as many gaps.
    """
    return is_live(first) and first["seq"] > newest.get("gaps", 0)


def _without_nulls(document: Document) -> Document:
    """Drop the null fields: ``$group`` adds null for a missing field."""
    return {field: value for field, value in document.items() if value is not None}


def _listed(session_id: str, last: Document, first: Document, last_seq: int) -> Listed:
    tokens = first.get("total_tokens", 0) - first.get("tokens", 0)
    return Listed(
        session_id=session_id,
        items=Head.of(last).items - Head.of(first).items + 1,
        total_tokens=last.get("total_tokens"),
        tokens_before=tokens,
        updated_at=last["created_at"],
        began_at=first["created_at"],
        last_seq=last_seq,
    )
