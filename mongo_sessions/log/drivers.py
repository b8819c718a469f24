"""Motor and PyMongo's async client: what differs between them; a database through one of them."""

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

# The two drivers share their methods, and no type: the same call returns a Future here, a
# coroutine there, and a cursor of its own kind in both.
AnyDriver: TypeAlias = Any


async def maybe_await(result: AnyDriver) -> AnyDriver:
    """Await ``result`` where the driver wants that.

    aggregate and start_transaction are to be awaited in PyMongo alone, start_session in Motor.
    """
    return await result if inspect.isawaitable(result) else result


CLOSED = "the session store is closed"

# The package's name in the handshake, for the server's log. Motor's clients send none: Motor joins
# the name to its own by "|", which PyMongo 4.19 and newer refuse.
DRIVER_INFO = DriverInfo("mongo-sessions", version("mongo-sessions"))


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
        if isinstance(database, AsyncDatabase):
            database.client.append_metadata(DRIVER_INFO)
        self._database = database
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def __str__(self) -> str:
        """Hosts and database, without what a URI says of users."""
        client: AnyDriver = self._database.client
        topology = client.topology_description
        if isinstance(topology, TopologyDescription):
            hosts = ",".join(
                f"{host}:{port}" for host, port in sorted(topology.server_descriptions())
            )
        else:  # mongomock, which is nowhere
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
