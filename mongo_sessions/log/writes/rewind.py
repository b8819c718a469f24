"""Rewind a session: remove everything after an item, in one atomic step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bson import ObjectId

from ...errors import NoSuchEntry
from ..places import BARRIER, NEWEST_FIRST, REMOVAL
from ..server.transactions import exactly_once
from .delete import check_end
from .taking import end_of, mark, take_after

if TYPE_CHECKING:
    from ..documents import Document
    from ..server.drivers import AnyDriver
    from ..server.lasting import LastingReads
    from ..server.retries import Retries
    from .taking import End, Taker

_AT_ONCE = 500


class Rewinder:
    """Rewinds the sessions of one collection.

    A rewind takes the next place with a mark. So an append that was numbered before is refused, and
    numbered again after the remaining items.
    """

    def __init__(
        self,
        items: AnyDriver,
        lasting: LastingReads,
        taker: Taker,
        retries: Retries,
        *,
        has_transactions: bool,
    ) -> None:
        self._items = items
        self._lasting = lasting
        self._taker = taker
        self._retries = retries
        self._has_transactions = has_transactions

    async def rewind(self, session_id: str, seq: int, expected_last_seq: int | None = None) -> int:
        """Remove every item above ``seq``, exactly once; return their number.

        Without transactions, items are removed one by one, the newest first: each state that a
        reader sees is a beginning of the history. The number is too low after a retry there.

        Raises:
            Conflict: the newest item is not at ``expected_last_seq`` (0: there is an item).
            NoSuchEntry: ``seq`` is not 0, and there is no item at this place.
        """
        mark_id = ObjectId()
        if not self._has_transactions:
            return await self._one_by_one(session_id, seq, expected_last_seq, mark_id)

        async def rewind(transaction: AnyDriver) -> int:
            in_session = {"session": transaction}
            end = await end_of(self._items, session_id, **in_session)
            check_end(session_id, end, expected_last_seq)
            above = await above_item(self._items, session_id, seq, **in_session)
            if end.item_seq in (0, seq):
                return 0
            result = await self._items.update_many(above, REMOVAL, **in_session)
            removed = int(result.modified_count)
            fields = {**mark(mark_id), "removed": removed}
            await take_after(self._items, session_id, end, fields, in_session)
            return removed

        async def outcome() -> int | None:
            itself = {"session_id": session_id, "_id": mark_id}
            found = await self._lasting.read(lambda items: items.find_one(itself, ["removed"]))
            return None if found is None else int(found["removed"])

        return await exactly_once(self._items, self._retries, rewind, outcome)

    async def _one_by_one(
        self, session_id: str, seq: int, expected_last_seq: int | None, mark_id: ObjectId
    ) -> int:
        def check(end: End) -> None:
            check_end(session_id, end, expected_last_seq)

        end = await self._lasting.retry(lambda items: end_of(items, session_id))
        check(end)
        above = await self._lasting.retry(lambda items: above_item(items, session_id, seq))
        if end.item_seq in (0, seq):
            return 0
        taken = await self._taker.take_next(session_id, mark(mark_id), check)
        query = {**above, "seq": {**above["seq"], "$lt": taken["seq"]}}
        removed, found = 0, _AT_ONCE
        while found == _AT_ONCE:
            newest = await self._lasting.find(query, ["_id"], NEWEST_FIRST, _AT_ONCE)
            found = len(newest)
            for one in newest:
                removed += await self._remove(session_id, one["_id"])
        return removed

    async def _remove(self, session_id: str, item_id: object) -> int:
        itself = {"session_id": session_id, "_id": item_id, "item": {"$exists": True}}
        result = await self._retries.run(lambda: self._items.update_one(itself, REMOVAL))
        return int(result.modified_count)


async def above_item(
    items: AnyDriver, session_id: str, seq: int, **in_session: AnyDriver
) -> Document:
    """The query of the items above the item at ``seq``; of all items if that is 0.

    Raises:
        NoSuchEntry: there is no item at this place.
    """
    query = {"session_id": session_id, **BARRIER}
    barrier = await items.find_one(query, ["seq"], sort=NEWEST_FIRST, **in_session)
    cleared_to = 0 if barrier is None else barrier["seq"]
    if seq:
        itself = {"session_id": session_id, "seq": seq, "item": {"$exists": True}}
        found = await items.find_one(itself, ["seq"], **in_session)
        if found is None or seq <= cleared_to:
            raise no_such_entry(session_id, seq)
    above = {"$gt": max(seq, cleared_to)}
    return {"session_id": session_id, "seq": above, "item": {"$exists": True}}


def no_such_entry(session_id: str, seq: int) -> NoSuchEntry:
    """The error that names the place."""
    return NoSuchEntry(f"there is no item {seq} in session {session_id!r}")
