"""Replace what an item says, and remove everything that was derived from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bson
from bson import ObjectId

from ..documents import ROOMY_ITEM_BYTES, decode
from ..places import OLDEST_FIRST
from ..server.transactions import exactly_once
from .append import stored_ids
from .redaction import redact_errors
from .rewind import above_item, no_such_entry
from .taking import end_of, mark, take_after

if TYPE_CHECKING:
    from ..claims import Claims
    from ..documents import Document, Item, NewItem
    from ..server.drivers import AnyDriver
    from ..server.lasting import LastingReads
    from ..server.retries import Retries
    from .taking import Taker

_FIELDS = ["item", "tokens"]


class Redactor:
    """Redacts the items of one collection.

    The item is replaced first, and the summaries are removed then. A fold that has read the old
    text holds its lease since before: :meth:`Claims.forget` removes it. A fold that acquires a
    lease later reads the new text. Each step may be repeated: a call that was interrupted is made
    again.

    The running totals after the item change. So a mark takes the next place: an append that was
    numbered after an old total is refused.
    """

    def __init__(
        self,
        items: AnyDriver,
        lasting: LastingReads,
        taker: Taker,
        claims: Claims,
        retries: Retries,
        *,
        has_transactions: bool,
    ) -> None:
        self._items = items
        self._lasting = lasting
        self._taker = taker
        self._claims = claims
        self._retries = retries
        self._has_transactions = has_transactions

    async def item_at(self, session_id: str, seq: int) -> Item:
        """The item at this place.

        Raises:
            NoSuchEntry: there is none.
        """
        await self._lasting.retry(lambda items: above_item(items, session_id, seq))
        query = _item_at(session_id, seq)
        found = await self._lasting.find_one(query, _FIELDS, OLDEST_FIRST)
        if found is None:
            raise no_such_entry(session_id, seq)
        return decode(found["item"])

    async def redact(self, session_id: str, seq: int, new: NewItem) -> None:
        """Replace the item at this place, and remove the summaries and leases from there on.

        Raises:
            NoSuchEntry: there is no item at this place.
        """
        mark_id = ObjectId()
        if self._has_transactions:

            async def replace(transaction: AnyDriver) -> bool:
                return await self._replace(session_id, seq, new, mark_id, transaction)

            async def outcome() -> bool | None:
                return bool(await stored_ids(self._lasting, session_id, [mark_id])) or None

            await exactly_once(self._items, self._retries, replace, outcome)
        else:
            await self._replace_in_steps(session_id, seq, new, mark_id)
        await self._claims.forget(session_id, seq)

    async def _replace(
        self, session_id: str, seq: int, new: NewItem, mark_id: ObjectId, transaction: AnyDriver
    ) -> bool:
        """Whether there was anything to replace."""
        in_session = {"session": transaction}
        end = await end_of(self._items, session_id, **in_session)
        await above_item(self._items, session_id, seq, **in_session)
        query = _item_at(session_id, seq)
        stored = await self._items.find_one(query, _FIELDS, **in_session)
        if _is_same(stored, new):
            return False
        await redact_errors(self._items.update_one(query, _replacement(stored, new), **in_session))
        if change := _change(stored, new):
            later = {**_item_at(session_id, {"$gte": seq}), "total_tokens": {"$exists": True}}
            added = {"$inc": {"total_tokens": change}}
            await self._items.update_many(later, added, **in_session)
        await take_after(self._items, session_id, end, mark(mark_id), in_session)
        return True

    async def _replace_in_steps(
        self, session_id: str, seq: int, new: NewItem, mark_id: ObjectId
    ) -> None:
        """Without transactions: if the server dies between two steps, totals may stay too high."""
        stored = await self._lasting.find_one(_item_at(session_id, seq), _FIELDS, OLDEST_FIRST)
        if stored is None:
            raise no_such_entry(session_id, seq)
        if _is_same(stored, new):
            return
        query, update = _item_at(session_id, seq), _replacement(stored, new)
        await self._retries.run(lambda: redact_errors(self._items.update_one(query, update)))
        if change := _change(stored, new):
            taken = await self._taker.take_next(session_id, mark(mark_id), lambda _: None)
            later = {
                **_item_at(session_id, {"$gte": seq, "$lt": taken["seq"]}),
                "total_tokens": {"$exists": True},
                "redaction": {"$ne": mark_id},  # once, also in a repeated attempt
            }
            added = {"$inc": {"total_tokens": change}, "$set": {"redaction": mark_id}}
            await self._retries.run(lambda: self._items.update_many(later, added))


def _item_at(session_id: str, seq: int | Document) -> dict[str, Any]:
    return {"session_id": session_id, "seq": seq, "item": {"$exists": True}}


def _is_same(stored: Document, new: NewItem) -> bool:
    return bson.encode({"item": stored["item"]}) == bson.encode({"item": new.encoded})


def _replacement(stored: Document, new: NewItem) -> Document:
    replaced: dict[str, Any] = {"item": new.encoded}
    if _is_counted(stored, new):
        replaced["tokens"] = new.tokens
    if new.size > ROOMY_ITEM_BYTES:
        return {"$set": {**replaced, "is_full": True}}
    return {"$set": replaced, "$unset": {"is_full": ""}}


def _change(stored: Document, new: NewItem) -> int:
    return (new.tokens or 0) - stored["tokens"] if _is_counted(stored, new) else 0


def _is_counted(stored: Document, new: NewItem) -> bool:
    """An item that was stored without a count has no running total to correct."""
    return stored.get("tokens") is not None and new.tokens is not None
