"""The two drivers, by name."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DRIVERS = {"motor": AsyncIOMotorClient, "pymongo": AsyncMongoClient}


@asynccontextmanager
async def open_client(driver: str, uri: str, **options: Any) -> AsyncIterator[Any]:
    client: Any = DRIVERS[driver](uri, **options)
    try:
        yield client
    finally:
        if driver == "motor":
            await asyncio.to_thread(client.close)  # it waits for the server, and holds the loop
        else:
            await client.close()
