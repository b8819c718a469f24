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

# Of tests above the log, which are the same through both: Motor by day.
ABOVE_THE_LOG = list(DRIVERS) if PROFILE == "thorough" else ["motor"]
both_at_night = pytest.mark.parametrize("driver", ABOVE_THE_LOG, indirect=True)


@pytest.fixture(name="driver", params=ABOVE_THE_LOG)
def driver_above_the_log(request) -> str:
    """For the conftest.py of a folder, all of whose tests are above the log."""
    return request.param


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
