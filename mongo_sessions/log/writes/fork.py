"""Copy a session on the server: no reader sees a part of the copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from ...errors import Conflict, NoSuchEntry, SessionExists, WrongOwner
from ..places import OLDEST_FIRST, REMOVAL
from ..server.drivers import AnyDriver, maybe_await
from ..server.transactions import exactly_once
from .append import stored_ids
from .clear import cleared_to
from .rewind import no_such_entry
from .taking import end_of, in_place, mark, numbers_after

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..documents import Document
    from ..server.clock import Time
    from ..server.lasting import LastingReads
    from ..server.retries import Retries

# Places per command: at most some seconds.
_SLICE = 5_000
# From one command to the next. After that, a reader may remove what was copied.
_SECONDS = 120.0
# A further round needs an item that is removed from the source within one.
_ROUNDS = 10

# Of a copy. The items keep their places, so that summaries and receipts stay right.
_NOT_COPIED = ("_id", "claim", "replaced")


class Forker:
    """Copies sessions within one collection.

    The copies lie below a barrier, which is lifted by one update when they are complete. Until
    then, ``copying`` in the barrier keeps readers from removing what is below it, by the server's
    clock. So what a killed process has copied is removed by the next reader after that time.

    The first place is taken together with that of the barrier, in one transaction: a writer that
    knows the new session as empty is refused, and then finds the barrier. On a standalone server,
    the two places are taken one after the other.
    """

    def __init__(
        self,
        items: AnyDriver,
        lasting: LastingReads,
        retries: Retries,
        time: Time,
        *,
        has_transactions: bool,
        has_merge: bool,
    ) -> None:
        self._items = items
        self._lasting = lasting
        self._retries = retries
        self._time = time
        self._has_transactions = has_transactions
        self._has_merge = has_merge

    async def fork(
        self,
        source: str,
        target: str,
        upto_seq: int | None,
        before_it_appears: Callable[[], Awaitable[None]],
    ) -> int:
        """Copy the items of ``source`` up to this place (None: all); return their number.

        ``before_it_appears`` is called when they are copied, and may refuse the copy. If the call
        fails with an error of the driver, the id of the copy stays in use.

        Raises:
            Conflict: the copy was cleared or deleted meanwhile, or items of the source were removed
                all the time.
            NoSuchEntry: ``upto_seq`` is not 0, and there is no item at this place.
            SessionExists: ``target`` is in use, or was deleted within the last hour.
            WrongOwner: ``before_it_appears`` has raised it.
        """
        if not self._has_merge:
            raise NotImplementedError("fork needs a MongoDB server: mongomock has no $merge")
        last = await self._last(source, upto_seq)
        copy_id = ObjectId()
        await self._begin(source, target, last, copy_id)
        try:
            copied = await self._copy(source, target, last, copy_id, must_have=upto_seq)
            await before_it_appears()
            await self._finish(target, copy_id)
        except (Conflict, NoSuchEntry, WrongOwner):
            await self._remove(target, last, copy_id)
            await self._lift(target, copy_id)
            raise
        return copied

    async def _last(self, source: str, upto_seq: int | None) -> int:
        if upto_seq is None:
            return (await self._lasting.retry(lambda items: end_of(items, source))).item_seq
        if upto_seq and not await self._has_item(source, upto_seq):
            raise no_such_entry(source, upto_seq)
        return upto_seq

    async def _has_item(self, session_id: str, seq: int) -> bool:
        after = await cleared_to(self._lasting, session_id)
        query = {"session_id": session_id, "seq": seq, "item": {"$exists": True}}
        return seq > after and bool(await self._lasting.find_one(query, ["seq"], OLDEST_FIRST))

    async def _begin(self, source: str, target: str, last: int, copy_id: ObjectId) -> None:
        """Take the first place, and the one after the copies, if the id is free."""

        async def begin(transaction: AnyDriver) -> bool:
            in_session = {} if transaction is None else {"session": transaction}
            mine = {"session_id": target}
            if source == target or await self._items.find_one(mine, ["seq"], **in_session):
                raise SessionExists(f"there is a session {target!r} already")
            barrier = {
                "seq": last + 1,
                **await numbers_after(self._items, source, last, **in_session),
                "created_at": self._time(0),
                "summary": None,
                "barrier": copy_id,
                "copying": {"until": self._time(_SECONDS)},
            }
            itself = {**mine, "_id": copy_id}
            await self._items.update_one(itself, [{"$set": barrier}], upsert=True, **in_session)
            if last:
                query, update = in_place(target, 1, {**mark(ObjectId()), "copy": copy_id})
                await self._items.update_one(query, update, upsert=True, **in_session)
            return True

        async def outcome() -> bool | None:
            return bool(await stored_ids(self._lasting, target, [copy_id])) or None

        if self._has_transactions:
            await exactly_once(self._items, self._retries, begin, outcome)
            return
        try:
            await begin(None)
        except DuplicateKeyError as error:
            await self._lift(target, copy_id)
            raise SessionExists(f"there is a session {target!r} already") from error

    async def _copy(
        self, source: str, target: str, last: int, copy_id: ObjectId, *, must_have: int | None
    ) -> int:
        """Copy until source and copy have the same number of items; return it.

        Below a place, a session only loses items. So the copy has every item that the source has
        now, and with the same number, it has no other.
        """
        for _ in range(_ROUNDS):
            await self._copy_each(source, target, last, copy_id)
            if must_have and not await self._has_item(source, must_have):
                raise no_such_entry(source, must_have)
            copied = await self._number(target, 0, last)
            after = await cleared_to(self._lasting, source)
            if await self._number(source, after, last) == copied:
                return copied
            await self._remove(target, last, copy_id)
        raise Conflict(f"items of session {source!r} were removed while it was copied")

    async def _copy_each(self, source: str, target: str, last: int, copy_id: ObjectId) -> None:
        after = await cleared_to(self._lasting, source)
        query = {"session_id": source, "seq": {"$gt": after}, "item": {"$exists": True}}
        first = await self._lasting.find_one(query, ["seq"], OLDEST_FIRST)
        start = last if first is None else first["seq"] - 1
        for place in range(start, last, _SLICE):
            await self._renew(target, copy_id)
            pipeline = self._pipeline(
                {**query, "seq": {"$gt": place, "$lte": min(last, place + _SLICE)}}, target, copy_id
            )

            async def copy(pipeline: list[Document] = pipeline) -> None:
                cursor = await maybe_await(self._items.aggregate(pipeline))
                await cursor.to_list(None)

            await self._retries.run(copy)

    def _pipeline(self, query: Document, target: str, copy_id: ObjectId) -> list[Document]:
        """A repeated or delayed copy changes no document but the marks of this copy."""
        copy = {"$mergeObjects": ["$$new", {"_id": "$_id"}]}
        is_mark = {"$eq": ["$copy", copy_id]}
        return [
            {"$match": query},
            {"$project": dict.fromkeys(_NOT_COPIED, 0)},
            {"$set": {"session_id": {"$literal": target}}},
            {
                "$merge": {
                    "into": self._items.name,
                    "on": ["session_id", "seq"],
                    "whenMatched": [{"$replaceWith": {"$cond": [is_mark, copy, "$$ROOT"]}}],
                    "whenNotMatched": "insert",
                }
            },
        ]

    async def _number(self, session_id: str, after: int, last: int) -> int:
        seqs = {"$gt": after, "$lte": last}
        query = {"session_id": session_id, "seq": seqs, "item": {"$exists": True}}
        counting: list[Document] = [{"$match": query}, {"$count": "items"}]
        found = await self._lasting.aggregate(counting)
        return int(found[0]["items"]) if found else 0

    async def _renew(self, target: str, copy_id: ObjectId) -> None:
        renewed: list[Document] = [{"$set": {"copying.until": self._time(_SECONDS)}}]
        result = await self._retries.run(
            lambda: self._items.update_one(_under_way(target, copy_id), renewed)
        )
        if not result.matched_count:
            raise _removed(target)

    async def _finish(self, target: str, copy_id: ObjectId) -> None:
        if await self._lift(target, copy_id):
            return
        lifted = {"session_id": target, "_id": copy_id, "barrier": {"$exists": False}}
        if await self._lasting.find_one(lifted, ["seq"], OLDEST_FIRST) is None:
            raise _removed(target)

    async def _lift(self, target: str, copy_id: ObjectId) -> bool:
        """Turn the barrier into a mark; False if it was removed, or by an attempt before."""
        lifted = {
            "$unset": {"barrier": "", "summary": "", "copying": ""},
            "$currentDate": {"gone_at": True},
        }
        result = await self._retries.run(
            lambda: self._items.update_one(_under_way(target, copy_id), lifted)
        )
        return bool(result.matched_count)

    async def _remove(self, target: str, last: int, copy_id: ObjectId) -> None:
        copies = {"session_id": target, "seq": {"$lte": last}, "item": {"$exists": True}}
        removal = {**REMOVAL, "$set": {"copy": copy_id}}
        await self._retries.run(lambda: self._items.update_many(copies, removal))


def _under_way(target: str, copy_id: ObjectId) -> dict[str, Any]:
    state = {"copying": {"$exists": True}, "gone_at": {"$exists": False}}
    return {"session_id": target, "_id": copy_id, **state}


def _removed(target: str) -> Conflict:
    return Conflict(f"session {target!r} was cleared or deleted while it was copied")
