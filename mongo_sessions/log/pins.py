"""Pinned items: they stay visible, word for word, when a summary covers them.

The mark is on the item: ``pinned``. The item that carries a summary also carries ``pins``, a copy
of the pinned items up to there, so that a view needs no further query. The marks are the truth; the
copies follow them:

* a pin sets the mark, and then adds a copy to the newest summary, until that is the newest;
* a fold stores the copies of all marks that it finds, and looks at the marks again after that.

Whichever comes second sees what the first has written. If a worker dies between the two steps of a
fold while an item is pinned, the copy of that item may be missing until the next fold, which looks
at the marks of two blocks: its own, and the one before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .places import NEWEST_FIRST, OLDEST_FIRST, is_barrier
from .writes.clear import cleared_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .documents import Document
    from .server.drivers import AnyDriver
    from .server.lasting import LastingReads
    from .server.retries import Retries

MOST_PINS = 100
"""Of a session. Their room in tokens is smaller, with any real token counter."""

_FIELDS = ["seq", "item", "created_at"]
_MARKED = {"pinned": True, "item": {"$exists": True}}
# A further round needs a fold that ends within one.
_ROUNDS = 10


class Pins:
    """The pinned items of the sessions of one collection."""

    def __init__(self, items: AnyDriver, lasting: LastingReads, retries: Retries) -> None:
        self._items = items
        self._lasting = lasting
        self._retries = retries

    async def pin(self, session_id: str, seq: int) -> bool:
        """Mark an item; False if there is none at this place."""
        if not await self._mark(session_id, seq, {"$set": {"pinned": True}}):
            return False
        await self._settle(session_id, seq)
        return True

    async def unpin(self, session_id: str, seq: int) -> bool:
        """Remove the mark; False if there is no item at this place."""
        is_there = await self._mark(session_id, seq, {"$unset": {"pinned": ""}})
        await self._settle(session_id)
        return is_there

    async def all(self, session_id: str) -> list[Document]:
        """Every pinned item, oldest first, by its mark. The server scans the session."""
        after = {"$gt": await cleared_to(self._lasting, session_id)}
        return await self._find({"session_id": session_id, "seq": after, **_MARKED})

    async def covered(self, session_id: str, up_to: int) -> list[Document]:
        """The pinned items up to a place that gets a summary, oldest first.

        The server scans two blocks: a worker may have died after it had stored the last summary,
        before it looked at the marks again.
        """
        anchor = await self._anchor(session_id, up_to)
        carried = [one["seq"] for one in (anchor or {}).get("pins", ())]
        if anchor is not None and not is_barrier(anchor):
            anchor = await self._anchor(session_id, anchor["seq"])
        return await self._marked(session_id, anchor, up_to, carried)

    async def settle(self, session_id: str, stored: Sequence[Document], seq: int) -> None:
        """Correct the copies that a fold has stored at this place, if a mark was changed since."""
        marked = await self.covered(session_id, seq)
        if [one["seq"] for one in marked] != [one["seq"] for one in stored]:
            await self._settle(session_id)

    async def _settle(self, session_id: str, seq: int = 0) -> None:
        """Let the newest summary carry the marked items that it covers, ``seq`` among them."""
        for _ in range(_ROUNDS):
            anchor = await self._anchor(session_id)
            if anchor is None or is_barrier(anchor):
                return
            before = await self._anchor(session_id, anchor["seq"])
            carried = {one["seq"]: one for one in anchor.get("pins", ())}
            also = [*carried, *([seq] if seq <= anchor["seq"] else [])]
            marked = await self._marked(session_id, before, anchor["seq"], also)
            wanted = {one["seq"]: _copy(one) for one in marked}
            if wanted.keys() == carried.keys():
                return
            # Each change by itself: another pin may be at the same step.
            for gone in carried.keys() - wanted.keys():
                await self._change(session_id, anchor, {"$pull": {"pins": {"seq": gone}}})
            for new in wanted.keys() - carried.keys():
                change = {"$push": {"pins": wanted[new]}}
                await self._change(session_id, anchor, change, {"pins.seq": {"$ne": new}})

    async def _mark(self, session_id: str, seq: int, change: Document) -> bool:
        if await cleared_to(self._lasting, session_id) >= seq:
            return False  # cleared, and perhaps not removed yet
        query = {"session_id": session_id, "seq": seq, "item": {"$exists": True}}
        result = await self._retries.run(lambda: self._items.update_one(query, change))
        return bool(result.matched_count)

    async def _change(
        self, session_id: str, anchor: Document, change: Document, unless: Document | None = None
    ) -> None:
        query = {
            "session_id": session_id,
            "_id": anchor["_id"],
            "summary": {"$exists": True},
            "item": {"$exists": True},
            **(unless or {}),
        }
        await self._retries.run(lambda: self._items.update_one(query, change))

    async def _anchor(self, session_id: str, before: int | None = None) -> Document | None:
        """The newest item with a summary, or barrier, below this place."""
        query = {"session_id": session_id, "summary": {"$exists": True}}
        if before is not None:
            query["seq"] = {"$lt": before}
        fields = ["seq", "pins", "barrier"]
        return await self._lasting.find_one(query, fields, NEWEST_FIRST)

    async def _marked(
        self,
        session_id: str,
        anchor: Document | None,
        up_to: int | None,
        seqs: Sequence[int] = (),
    ) -> list[Document]:
        """The marked items that ``anchor`` carries, after it, and at ``seqs``."""
        after = {"$gt": anchor["seq"] if anchor else 0}
        carried = [one["seq"] for one in (anchor or {}).get("pins", ())]
        places = [
            {"seq": after if up_to is None else {**after, "$lte": up_to}},
            {"seq": {"$in": [*carried, *seqs]}},
        ]
        return await self._find({"session_id": session_id, "$or": places, **_MARKED})

    async def _find(self, query: Document) -> list[Document]:
        return await self._lasting.find(query, _FIELDS, OLDEST_FIRST, 2 * MOST_PINS)


def to_pins(marked: Sequence[Document]) -> list[Document]:
    """The form in which a summary carries them."""
    return [_copy(one) for one in marked]


def _copy(marked: Document) -> Document:
    return {field: marked[field] for field in _FIELDS}
