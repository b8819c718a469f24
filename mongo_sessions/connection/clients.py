"""Where a store has its clients from: an application's client, or clients of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.topology_description import TopologyDescription

from ..errors import WrongEventLoop
from ..log.server.drivers import DRIVER_INFO

if TYPE_CHECKING:
    from ..log.server.drivers import AnyDriver, Database


class Client(Protocol):
    """A client in one event loop, and the database of a store through it."""

    database: AnyDriver

    async def close(self) -> None:
        """Close the client if it belongs to the store."""

    def drop(self) -> None:
        """The same after the event loop was closed."""


class Clients(Protocol):
    """Gives a store its clients. As a str: hosts and database, without user or password."""

    def connect(self) -> Client:
        """A client for the running event loop: called once in each.

        Raises:
            WrongEventLoop: there is one client, and it serves another event loop.
        """


class GivenClient:
    """The client of an application, which closes it.

    It serves one event loop. In another one it would hang, or fail at some later call.
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
        self.database: AnyDriver = database
        self._serves_a_loop = False

    def __str__(self) -> str:
        client = self.database.client
        topology = client.topology_description
        if isinstance(topology, TopologyDescription):
            hosts = ",".join(
                f"{host}:{port}" for host, port in sorted(topology.server_descriptions())
            )
        else:  # mongomock, which has no host
            hosts = type(client).__name__
        return f"{hosts}/{self.database.name}"

    def connect(self) -> Client:
        if self._serves_a_loop:
            raise WrongEventLoop(
                "this MongoSessionStore was given a client that serves another event loop; "
                "MongoSessionStore.from_uri keeps one client per loop"
            )
        self._serves_a_loop = True
        return self

    async def close(self) -> None:
        """Leave the client open."""

    def drop(self) -> None:
        """Leave the client open."""
