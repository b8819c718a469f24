"""Clients of the replica set, and what all that is kept there has in common."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient

from mongo_sessions.log.drivers import maybe_await

from .contenders import Stored

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from pymongo.monitoring import CommandListener

    from mongo_sessions.log.drivers import AnyDriver

COLLECTION = "session_items"
KEPT_AS = "a document an item"
MONGO_GUARANTEE = "in the journals of two of three members (w: majority)"


@asynccontextmanager
async def clients(uri: str, listener: CommandListener | None = None) -> AsyncIterator[AnyDriver]:
    """Motor's client and PyMongo's: as an application makes them, one of each for everybody."""
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
    # A checkpoint: what is on disk is known after one, and one is made a minute.
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
