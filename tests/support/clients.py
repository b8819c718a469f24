"""The two drivers, by name."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient

from tests.support.examples import PROFILE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DRIVERS = {"motor": AsyncIOMotorClient, "pymongo": AsyncMongoClient}

# For a long test of what stands above the log: by day, it runs through Motor alone.
both_at_night = pytest.mark.parametrize(
    "driver", list(DRIVERS) if PROFILE == "thorough" else ["motor"], indirect=True
)


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
