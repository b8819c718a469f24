"""Motor and PyMongo's async client: the differences, and a database given by the application."""

from __future__ import annotations

import asyncio
import inspect
from importlib.metadata import version
from typing import Any, TypeAlias

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.driver_info import DriverInfo
from pymongo.topology_description import TopologyDescription

from ..errors import StoreClosed, WrongEventLoop

Database: TypeAlias = "AsyncIOMotorDatabase[Any] | AsyncDatabase[Any]"

# The drivers have the same methods and no common type: a call returns a Future in Motor, a
# coroutine in PyMongo, and each has its own cursor.
AnyDriver: TypeAlias = Any


async def maybe_await(result: AnyDriver) -> AnyDriver:
    """Await ``result`` if the driver returned an awaitable.

    Only PyMongo's aggregate and start_transaction are awaitable, and only Motor's start_session.
    """
    return await result if inspect.isawaitable(result) else result


CLOSED = "the session store is closed"

# The package's name in the handshake, for the server's log. Motor's clients do not send it: Motor
# appends the name to its own with "|", which PyMongo 4.19 and newer reject.
DRIVER_INFO = DriverInfo("mongo-sessions", version("mongo-sessions"))


class GivenDatabase:
    """A database given by the application, which also closes its client.

    A client serves one event loop. In another loop, a call would hang or fail later, so this class
    refuses that loop at once.
    """

    def __init__(self, database: Database) -> None:
        if not isinstance(database, (AsyncIOMotorDatabase, AsyncDatabase)):
            kind = f"{type(database).__module__}.{type(database).__name__}"
            raise TypeError(
                "database must be Motor's AsyncIOMotorDatabase or PyMongo's AsyncDatabase, as in "
                f'AsyncIOMotorClient(uri)["agents"], got {kind}'
            )
        if isinstance(database, AsyncDatabase):
            database.client.append_metadata(DRIVER_INFO)
        self._database = database
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def __str__(self) -> str:
        """Hosts and database, without credentials."""
        client: AnyDriver = self._database.client
        topology = client.topology_description
        if isinstance(topology, TopologyDescription):
            hosts = ",".join(
                f"{host}:{port}" for host, port in sorted(topology.server_descriptions())
            )
        else:  # mongomock has no address
            hosts = type(client).__name__
        return f"{hosts}/{self._database.name}"

    def database(self) -> AnyDriver:
        if self._closed:
            raise StoreClosed(CLOSED)
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
