"""Follow a session: its items after a place, and the inserts of all sessions as they happen."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from ..places import MARK_SECONDS, NEWEST_FIRST, OLDEST_FIRST, oldest_page
from ..server.drivers import AnyDriver, maybe_await
from ..writes.clear import cleared_to

if TYPE_CHECKING:
    from datetime import datetime

    from bson import ObjectId

    from ..documents import Document
    from ..server.lasting import LastingReads

# How long the server waits for a change before it answers. It delays the end of a stream.
_AWAIT_MS = 1_000


# A place is free an hour after its removal, and an item that takes it anew is as much younger than
# the one before. The clocks of two writers differ by minutes.
_YOUNGER = timedelta(seconds=MARK_SECONDS / 2)


class Place(NamedTuple):
    """The place up to which a watcher has read."""

    seq: int
    id: ObjectId | None = None
    """Of its document; None if it was not read."""
    created_at: datetime | None = None


class Followed(NamedTuple):
    """The documents with items after a place, oldest first."""

    documents: list[Document]
    place: Place
    """After which the next read starts."""
    has_more: bool
    """Whether the next read may find more at once."""


class Following:
    """The reads and the change stream of the watchers of one collection.

    ``items`` has the read concern "majority". ``has_streams``: a standalone server has none.
    """

    def __init__(self, items: AnyDriver, lasting: LastingReads, *, has_streams: bool) -> None:
        self._items = items
        self._lasting = lasting
        self.collection = str(items.name)
        self.has_streams = has_streams

    async def after(self, session_id: str, place: Place, limit: int) -> Followed:
        """At most ``limit`` items after ``place``.

        The document at ``place`` is read, too. If it is gone, everything from there on may be gone,
        and the places may be free, or taken anew (see :mod:`..places`).
        """
        query = {"session_id": session_id, "seq": {"$gte": place.seq}}
        documents = await self._lasting.find(query, None, OLDEST_FIRST, limit + 1)
        if documents and documents[0]["seq"] == place.seq:
            is_anew = place.id not in (None, documents[0]["_id"])
            documents = documents[1:]
        else:
            is_anew = place.seq > 0 and not documents
        if is_anew:
            newest = await self._seq({"session_id": session_id}, NEWEST_FIRST) or 0
            moved = await self._moved(session_id, place, newest)
            return Followed([], moved, has_more=moved.seq < newest)
        documents = documents[:limit]
        is_full = len(documents) == limit
        barrier = await cleared_to(self._lasting, session_id) if is_full else 0
        page = oldest_page(documents, limit, barrier)
        if documents:
            last = documents[-1]
            place = Place(last["seq"], last["_id"], last["created_at"])
        return Followed(page.documents, place, has_more=is_full)

    async def inserts(self) -> AnyDriver:
        """A change stream, to be entered: ``fullDocument.session_id`` of each insert.

        It sees an insert when a majority of the members has it, as the reads do. Each document of a
        session is inserted once, and a later change of it is not an item.
        """
        pipeline: list[Document] = [
            {"$match": {"operationType": "insert"}},
            {"$project": {"fullDocument.session_id": 1}},
        ]
        return await maybe_await(self._items.watch(pipeline, max_await_time_ms=_AWAIT_MS))

    async def _moved(self, session_id: str, place: Place, newest: int) -> Place:
        """The last place that was read, now that nothing is left from ``place`` on."""
        if place.created_at is None:
            return Place(newest)
        younger = {"session_id": session_id, "created_at": {"$gt": place.created_at + _YOUNGER}}
        first_new = await self._seq(younger, OLDEST_FIRST)
        return Place(newest if first_new is None else first_new - 1, None, place.created_at)

    async def _seq(self, query: Document, order: list[tuple[str, int]]) -> int | None:
        found = await self._lasting.find_one(query, {"_id": 0, "seq": 1}, order)
        return None if found is None else found["seq"]
