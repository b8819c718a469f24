"""Replace items of a session, in one transaction."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any

from bson import ObjectId

from ..documents import Head, decode, to_documents
from ..places import (
    LIVE_OR_BARRIER,
    NEWEST_FIRST,
    NUMBERS,
    OLDEST_FIRST,
    REMOVAL,
    head_of,
    is_barrier,
)
from ..server.transactions import exactly_once
from .append import stored_ids
from .clear import to_barrier
from .redaction import redact_errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from ..documents import Document, Item, NewItem
    from ..server.drivers import AnyDriver
    from ..server.lasting import LastingReads
    from ..server.retries import Retries

_PRUNED_AT_ONCE = 500


class Replacer:
    """Replaces items, exactly once; requires transactions.

    A transaction does not lock what it only reads. So each replacement writes to the newest place:
    this makes concurrent pops, clears and replacements exclude each other. If another transaction
    has written to the newest place, the server refuses the replacement, which is then retried.

    ``replaced`` marks the former newest place. A clear that waited for the replacement must not
    write its barrier there, because there are newer places now.
    """

    def __init__(self, items: AnyDriver, lasting: LastingReads, retries: Retries) -> None:
        self._items = items
        self._lasting = lasting
        self._retries = retries

    async def replace_end(
        self,
        session_id: str,
        gone: Sequence[ObjectId],
        items: Sequence[NewItem],
        may_prune: Callable[[Item], bool] | None = None,
    ) -> bool:
        """Replace ``gone``, oldest first, if these are the newest items; return whether they are.

        The same transaction removes the oldest items of the session up to the first for which
        ``may_prune`` returns False.
        """
        new = {ObjectId(): item for item in items}

        async def replace(transaction: AnyDriver) -> bool:
            newest = await self._items.find_one(
                {"session_id": session_id}, NUMBERS, sort=NEWEST_FIRST, session=transaction
            )
            live = await self._newest_live(session_id, len(gone) + 1, transaction)
            end, below = live[: len(gone)], live[len(gone) :]
            if [document["_id"] for document in reversed(end)] != list(gone) or any(
                map(is_barrier, end)
            ):
                return False
            if may_prune is not None:
                await self._prune(session_id, end[-1]["seq"], may_prune, transaction)
            removed = {"session_id": session_id, "_id": {"$in": [newest["_id"], *gone]}}
            removal = {**REMOVAL, "$set": {"replaced": True}} if new else REMOVAL
            await self._items.update_many(removed, removal, session=transaction)
            head = head_of(below, is_whole=True) or Head()
            head = head._replace(seq=newest["seq"])
            await self._insert(session_id, new, head, transaction)
            return True

        return await self._exactly_once(session_id, replace, new, gone)

    async def replace_all(self, session_id: str, items: Sequence[NewItem]) -> Document | None:
        """Write a barrier, and ``items`` after it; return the barrier, None for a new session.

        ``items`` is not empty: their ids tell whether an earlier attempt has landed.
        """
        new = {ObjectId(): item for item in items}
        barrier: Document | None = None

        async def replace(transaction: AnyDriver) -> bool:
            nonlocal barrier
            barrier = await self._items.find_one(
                {"session_id": session_id}, NUMBERS, sort=NEWEST_FIRST, session=transaction
            )
            if barrier is not None:
                itself = {"session_id": session_id, "_id": barrier["_id"]}
                await self._items.update_one(itself, to_barrier(ObjectId()), session=transaction)
            head = Head(0 if barrier is None else barrier["seq"])
            await self._insert(session_id, new, head, transaction)
            return True

        await self._exactly_once(session_id, replace, new)
        return barrier

    async def _exactly_once(
        self,
        session_id: str,
        replace: Callable[[AnyDriver], Awaitable[bool]],
        new: Collection[ObjectId],
        gone: Collection[ObjectId] = (),
    ) -> bool:
        async def outcome() -> bool | None:
            """Whether ``new`` is stored; if that is empty, whether ``gone`` is removed."""
            if new:
                return bool(await stored_ids(self._lasting, session_id, new)) or None
            removed = {"gone_at": {"$exists": True}, "popped": {"$exists": False}}
            found = await stored_ids(self._lasting, session_id, gone, removed)
            return len(found) == len(gone) or None

        return await exactly_once(self._items, self._retries, replace, outcome)

    async def _newest_live(
        self, session_id: str, limit: int, transaction: AnyDriver
    ) -> list[Document]:
        """The newest items; if there is a barrier, it is the last of the result."""
        query = {"session_id": session_id, **LIVE_OR_BARRIER}
        cursor = self._items.find(query, NUMBERS, session=transaction)
        found: list[Document] = await cursor.sort(NEWEST_FIRST).limit(limit).to_list(None)
        return found

    async def _prune(
        self,
        session_id: str,
        before_seq: int,
        may_prune: Callable[[Item], bool],
        transaction: AnyDriver,
    ) -> None:
        query = {"session_id": session_id, "seq": {"$lt": before_seq}, "item": {"$exists": True}}
        removed = _PRUNED_AT_ONCE
        while removed == _PRUNED_AT_ONCE:
            cursor = self._items.find(query, {"item": 1}, session=transaction)
            oldest = await cursor.sort(OLDEST_FIRST).limit(_PRUNED_AT_ONCE).to_list(None)
            gone = [
                document["_id"]
                for document in takewhile(lambda found: may_prune(decode(found["item"])), oldest)
            ]
            removed = len(gone)
            if gone:
                pruned = {"session_id": session_id, "_id": {"$in": gone}}
                await self._items.update_many(pruned, REMOVAL, session=transaction)

    async def _insert(
        self,
        session_id: str,
        new: dict[ObjectId, NewItem],
        head: Head,
        transaction: AnyDriver,
    ) -> None:
        if new:
            documents: list[Any] = to_documents(session_id, new, head)
            await redact_errors(self._items.insert_many(documents, session=transaction))
