"""The floor: the bare driver, doing the same durable work, and nothing else.

It checks nothing, counts no tokens, finds out nothing after an error, and loses if another writer
is there. So nothing that does more can be faster on the same driver, but for noise.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pymongo
from pymongo import WriteConcern

from mongo_sessions.log.drivers import maybe_await

from .mongo import COLLECTION, KEPT_AS, MONGO_GUARANTEE
from .ours import Ours

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.items import TResponseInputItem
    from agents.memory import SessionSettings

    from mongo_sessions.log.drivers import AnyDriver

    from .contenders import Stored

_NEWEST_FIRST = [("seq", pymongo.DESCENDING)]
_LARGEST_BATCH = 2_000
# Of an item, as if somebody had counted them.
_TOKENS = 150


class BareSession:
    """One session, by the driver's own methods."""

    session_settings: SessionSettings | None = None

    def __init__(self, items: AnyDriver, session_id: str) -> None:
        self.session_id = session_id
        self._items = items
        self._seq: int | None = None

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        cursor = self._items.find({"session_id": self.session_id}).sort(_NEWEST_FIRST)
        documents = await cursor.limit(limit or 0).batch_size(limit or _LARGEST_BATCH).to_list(None)
        return [document["item"] for document in reversed(documents)]

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        if self._seq is None:
            newest = await self._items.find_one({"session_id": self.session_id}, sort=_NEWEST_FIRST)
            self._seq = newest["seq"] if newest else 0
        documents = [self._document(seq, item) for seq, item in enumerate(items, self._seq + 1)]
        self._seq += len(documents)
        if len(documents) == 1:
            await self._items.insert_one(documents[0])
            return
        async with await maybe_await(self._items.database.client.start_session()) as transaction:
            await maybe_await(
                transaction.start_transaction(write_concern=self._items.write_concern)
            )
            await self._items.insert_many(documents, session=transaction)
            await transaction.commit_transaction()

    async def pop_item(self) -> TResponseInputItem | None:
        popped = await self._items.find_one_and_delete(
            {"session_id": self.session_id}, sort=_NEWEST_FIRST
        )
        return popped["item"] if popped else None

    async def clear_session(self) -> None:
        await self._items.delete_many({"session_id": self.session_id})

    def _document(self, seq: int, item: TResponseInputItem) -> dict[str, Any]:
        return {
            "session_id": self.session_id,
            "seq": seq,
            "item": item,
            "tokens": _TOKENS,
            "total_tokens": seq * _TOKENS,
            "turn": seq,
            "created_at": datetime.now(timezone.utc),
        }


class Bare:
    """The sessions of the library, without the library."""

    kept_as = KEPT_AS
    guarantee = MONGO_GUARANTEE

    def __init__(self, name: str, database: AnyDriver) -> None:
        self.name = name
        self._ours = Ours(name, database)
        self._items = database.get_collection(COLLECTION, write_concern=WriteConcern("majority"))

    def session(self, session_id: str) -> BareSession:
        return BareSession(self._items, session_id)

    async def fill(self, session_id: str, items: Sequence[TResponseInputItem]) -> None:
        await self._ours.fill(session_id, items)

    async def stored(self) -> Stored:
        return await self._ours.stored()

    async def version(self) -> str:
        return await self._ours.version()

    async def close(self) -> None:
        await self._ours.close()
