"""This library on Motor and on PyMongo, and its floor: the bare driver doing the same work.

The floor checks nothing, counts no tokens, resolves no error, and fails if there is another writer.
So a library that does more on the same driver can be faster only by noise.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, cast

import pymongo
from bson import ObjectId
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient, WriteConcern

from mongo_sessions import MongoSessionStore, SummarizeOlder, TokenLimit
from mongo_sessions.concurrency.background import Background
from mongo_sessions.log.documents import Head, NewItem, to_documents
from mongo_sessions.log.log import Log
from mongo_sessions.log.server.deployment import Deployment
from mongo_sessions.log.server.drivers import maybe_await
from mongo_sessions.log.server.retries import Retries
from mongo_sessions.log.server.server import Server
from mongo_sessions.policies import starts_turn
from mongo_sessions.policies.summarize.message import summary_message
from mongo_sessions.policies.summarize.segments import Segment, to_summary

from .contenders import Stored
from .data import TURN_ITEMS, count_tokens, prose, token_counts, total_tokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from agents.items import TResponseInputItem
    from agents.memory import SessionSettings
    from pymongo.monitoring import CommandListener

    from mongo_sessions import MongoSession, RetrievalPolicy, SummaryRequest
    from mongo_sessions.log.server.drivers import AnyDriver


COLLECTION = "session_items"
KEPT_AS = "a document an item"
MONGO_GUARANTEE = "in the journals of two of three members (w: majority)"


@asynccontextmanager
async def clients(uri: str, listener: CommandListener | None = None) -> AsyncIterator[AnyDriver]:
    """Motor's client and PyMongo's with default options: one of each for all contenders."""
    listeners = [] if listener is None else [listener]
    motor: AnyDriver = AsyncIOMotorClient(uri, event_listeners=listeners)
    pymongo: AnyDriver = AsyncMongoClient(uri, event_listeners=listeners)
    try:
        yield motor, pymongo
    finally:
        await asyncio.to_thread(motor.close)  # it waits for the server
        await pymongo.close()


async def server_version(database: AnyDriver) -> str:
    return f"MongoDB {(await database.client.admin.command('buildInfo'))['version']}"


async def stored_bytes(database: AnyDriver, collections: Sequence[str]) -> Stored:
    # Sizes on disk are known after a checkpoint; without fsync, one is made a minute.
    await database.client.admin.command("fsync")
    data = disk = 0
    for collection in collections:
        cursor = await maybe_await(
            database[collection].aggregate([{"$collStats": {"storageStats": {}}}])
        )
        for found in await cursor.to_list(None):
            stats = found["storageStats"]
            data += stats["size"]
            disk += stats["storageSize"] + stats["totalIndexSize"]
    return Stored(data, disk)


VIEW_TOKENS = 8_000
_CHUNK = 10_000
# Items after the summary in the view: about halfway from one fold to the next.
_UNFOLDED_ITEMS = 6 * TURN_ITEMS
_SEGMENTS, _SEGMENT_CHARACTERS = 5, 800


async def no_summary(request: SummaryRequest) -> str:
    """What is measured never gets here: the summary is there, and no other is due."""
    raise NotImplementedError(request.kind)


TOKEN_LIMIT = TokenLimit(VIEW_TOKENS)
SUMMARIZE_OLDER = SummarizeOlder(no_summary, max_tokens=VIEW_TOKENS)


class Ours:
    """MongoSession, of a store that an application would make."""

    kept_as = KEPT_AS
    guarantee = MONGO_GUARANTEE

    def __init__(self, name: str, database: AnyDriver) -> None:
        self.name = name
        self._database = database
        self._store = MongoSessionStore(database)

    def session(self, session_id: str, *, policy: RetrievalPolicy | None = None) -> MongoSession:
        return self._store.session(session_id, policy=policy)

    async def fill(self, session_id: str, items: Sequence[TResponseInputItem]) -> None:
        """The documents that ``add_items`` would write.

        The running total begins where it has to, to end with a full block of the window: so the
        views of sessions of any length are equally long.
        """
        await self._store.ensure_indexes()
        counts = token_counts()
        new = [
            NewItem(item, 0, counts[id(item)], starts_turn(item))
            for item in cast("Sequence[dict[str, Any]]", items)
        ]
        head = Head(total_tokens=-total_tokens(items) % TOKEN_LIMIT.block_tokens)
        for start in range(0, len(new), _CHUNK):
            chunk = {ObjectId(): item for item in new[start : start + _CHUNK]}
            documents = to_documents(session_id, chunk, head)
            await self._database[COLLECTION].insert_many(documents, ordered=False)
            head = Head.of(documents[-1])

    async def summarise(self, session_id: str) -> None:
        """Store a summary as thousands of folds would have left it: of the usual length."""
        log = Log(
            self._database,
            COLLECTION,
            deployment=Deployment(has_transactions=True),
            retries=Retries(Server(self._database.client), seconds=30.0),
            run_later=Background().start,
        )
        page, _ = await log.newest(session_id, _UNFOLDED_ITEMS + 1)
        anchor = page.documents[-1]
        texts = [prose(_SEGMENT_CHARACTERS, seed) for seed in range(_SEGMENTS)]
        segments = [
            Segment(1, anchor["seq"], level, text, count_tokens({"role": "user", "content": text}))
            for level, text in enumerate(texts)
        ]
        message = summary_message(segments, anchor["created_at"], has_gap=False)
        summary = to_summary(segments, count_tokens(message))
        if not await log.claims.save_summary(session_id, anchor["_id"], None, summary):
            raise RuntimeError(f"{session_id} has a summary already")

    async def stored(self) -> Stored:
        return await stored_bytes(self._database, [COLLECTION])

    async def version(self) -> str:
        return await server_version(self._database)

    async def close(self) -> None:
        await self._store.close()


_NEWEST_FIRST = [("seq", pymongo.DESCENDING)]
_LARGEST_BATCH = 2_000
# Of an item, in place of a count.
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
