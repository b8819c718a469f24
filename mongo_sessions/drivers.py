"""Motor and PyMongo's async client: what differs between them, and which event loop they serve."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import Any, TypeAlias

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorDatabase
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.uri_parser import parse_uri

from .errors import StoreClosed, WrongEventLoop

Database: TypeAlias = "AsyncIOMotorDatabase[Any] | AsyncDatabase[Any]"

# The two drivers share their methods, and no type: the same call returns a Future here, a
# coroutine there, and a cursor of its own kind in both.
AnyDriver: TypeAlias = Any


async def resolved(result: AnyDriver) -> AnyDriver:
    """Await ``result`` where the driver wants that.

    aggregate and start_transaction are to be awaited in PyMongo alone, start_session in Motor.
    """
    return await result if inspect.isawaitable(result) else result


_CLOSED = "the session store is closed"


class GivenDatabase:
    """A database that the application made, and whose client it closes.

    Its client serves one event loop. The other one would not fail at once, but hang or fail at
    some later call, so it is refused here.
    """

    def __init__(self, database: Database) -> None:
        if not isinstance(database, (AsyncIOMotorDatabase, AsyncDatabase)):
            kind = f"{type(database).__module__}.{type(database).__name__}"
            raise TypeError(
                "database must be Motor's AsyncIOMotorDatabase or PyMongo's AsyncDatabase, as in "
                f'AsyncIOMotorClient(uri)["agents"], got {kind}'
            )
        self._database = database
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def database(self) -> AnyDriver:
        if self._closed:
            raise StoreClosed(_CLOSED)
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if self._loop is not loop:
            raise WrongEventLoop(
                "this MongoSessionStore was given a client that serves another event loop; "
                "MongoSessionStore.from_uri keeps one client per loop"
            )
        return self._database

    async def close(self) -> None:
        self._closed = True


class ClientPerLoop:
    """Motor clients of our own, one per event loop, made at the first use in that loop.

    They are closed in threads: Motor's close waits for the server's answer.
    """

    def __init__(self, uri: str, database: str) -> None:
        if not isinstance(uri, str):
            raise TypeError(f"uri must be a str, got {uri!r}")
        if not uri.startswith("mongodb+srv://"):  # would ask the name server
            parse_uri(uri)
        self._uri = uri
        self._name = database
        self._databases: dict[asyncio.AbstractEventLoop, AsyncIOMotorDatabase[Any]] = {}
        self._lock = threading.Lock()
        self._closed = False

    def database(self) -> AnyDriver:
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._closed:
                raise StoreClosed(_CLOSED)
            if loop not in self._databases:
                self._close_clients_of_closed_loops()
                client: AsyncIOMotorClient[Any] = AsyncIOMotorClient(self._uri)
                self._databases[loop] = client.get_database(self._name)
            return self._databases[loop]

    async def close(self) -> None:
        with self._lock:
            self._closed = True
            databases, self._databases = self._databases, {}
        for database in databases.values():
            await asyncio.to_thread(database.client.close)

    def _close_clients_of_closed_loops(self) -> None:
        for loop in [loop for loop in self._databases if loop.is_closed()]:
            client = self._databases.pop(loop).client
            threading.Thread(target=client.close, name="mongo-sessions-close").start()
