"""Appending to a session: all or nothing, exactly once, and behind what is there.

Two writers cannot take the same place, for there is a unique index on it, and no place becomes free
again while a writer may take it for the next one: see :mod:`.places`. So an append needs no lock.
It is one insert, or several in a transaction, numbered after what the writer takes for the newest
place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pymongo
from bson import ObjectId
from pymongo.errors import BulkWriteError

from .documents import Head, to_documents
from .exactly_once import exactly_once, naming_no_text
from .places import LIVE_OR_BARRIER, NEWEST_FIRST, NUMBERS, head_of
from .retries import Patience
from .transactions import in_transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .documents import NewItem
    from .drivers import AnyDriver
    from .lasting import LastingReads
    from .server import Server


class Appender:
    """Appends to the sessions of one collection."""

    def __init__(
        self,
        items: AnyDriver,
        lasting: LastingReads,
        *,
        has_transactions: bool,
        server: Server,
    ) -> None:
        self._items = items
        self._lasting = lasting
        self._has_transactions = has_transactions
        self._server = server

    async def append(
        self, session_id: str, items: Sequence[NewItem], head: Head | None, seconds: float
    ) -> Head | None:
        """Append a batch, all or nothing, exactly once; return the new head if it is known.

        It keeps trying for so many seconds.

        ``head`` is what the caller takes for the newest place (None: not known). If others have
        appended since, the write is refused, and tried again with the right numbers.
        """
        pending = {ObjectId(): item for item in items}
        patience = Patience(seconds, self._server)

        async def write() -> Head:
            nonlocal head
            known, head = head, None  # for one attempt
            if known is None:
                with patience.attempt():
                    # An election must not roll this document back: its place would become free,
                    # and another writer could take it after this append has taken the next one.
                    known = await self._lasting.read(lambda items: newest_head(items, session_id))
            documents = to_documents(session_id, pending, known)
            await self._insert(documents, pending, patience)
            return Head.of(documents[-1])

        async def has_landed() -> bool:
            with patience.attempt():
                for item_id in await stored_ids(self._lasting, session_id, pending):
                    del pending[item_id]  # without transactions, it may be a part of the batch
            return not pending

        with pymongo.timeout(seconds):
            new_head = await exactly_once(write, has_landed, patience)
        self._server.has_answered()
        return new_head

    async def _insert(
        self,
        documents: list[dict[str, Any]],
        pending: dict[ObjectId, NewItem],
        patience: Patience,
    ) -> None:
        if len(documents) == 1:
            with patience.attempt():
                await naming_no_text(self._items.insert_one(documents[0]))
        elif self._has_transactions:
            await in_transaction(
                self._items,
                patience,
                lambda transaction: naming_no_text(
                    self._items.insert_many(documents, session=transaction)
                ),
            )
        else:
            try:
                with patience.attempt():
                    await naming_no_text(self._items.insert_many(documents))
            except BulkWriteError as error:
                for document in documents[: error.details["nInserted"]]:
                    del pending[document["_id"]]  # the rest follows
                raise


async def newest_head(items: AnyDriver, session_id: str, session: AnyDriver = None) -> Head:
    """What the next append is numbered after."""
    query: dict[str, Any] = {"session_id": session_id}
    in_session = {} if session is None else {"session": session}
    newest = await items.find_one(query, NUMBERS, sort=NEWEST_FIRST, **in_session)
    documents = [] if newest is None else [newest]
    head = head_of(documents, is_whole=newest is None)
    if head is None:
        below = {**query, "seq": {"$lt": documents[0]["seq"]}, **LIVE_OR_BARRIER}
        told = await items.find_one(below, NUMBERS, sort=NEWEST_FIRST, **in_session)
        head = head_of(documents if told is None else [*documents, told], is_whole=True)
    assert head is not None  # noqa: S101 - for mypy
    return head


async def stored_ids(
    lasting: LastingReads, session_id: str, ids: Sequence[ObjectId] | dict[ObjectId, Any]
) -> list[ObjectId]:
    """Which of these documents are there, also without their items."""
    mine = {"session_id": session_id, "_id": {"$in": list(ids)}}
    found: list[dict[str, ObjectId]] = await lasting.read(
        lambda items: items.find(mine, {"_id": 1}).to_list(None)
    )
    return [document["_id"] for document in found]
