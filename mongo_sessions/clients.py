"""Clients of our own, one per event loop: made when they are needed, closed with the store."""

from __future__ import annotations

import asyncio
import re
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import pymongo
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from pymongo.errors import InvalidURI
from pymongo.uri_parser import parse_uri

from .errors import StoreClosed
from .log.drivers import CLOSED, DRIVER_INFO

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from .log.drivers import AnyDriver

DriverName: TypeAlias = Literal["motor", "pymongo"]

# Closing tells the server which sessions end: not for long, if there is none.
_CLOSE_SECONDS = 2.0

_CREDENTIALS = "in a user name or a password, @, : and / must be percent-escaped"


class _MotorClient:
    """It runs in threads of its own, whatever becomes of the event loop."""

    def __init__(self, uri: str) -> None:
        self.client: AnyDriver = AsyncIOMotorClient[Any](uri)

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def drop(self) -> None:
        """Close it, after its event loop was closed."""
        threading.Thread(target=self._close, name="mongo-sessions-close").start()

    def _close(self) -> None:
        with pymongo.timeout(_CLOSE_SECONDS):
            self.client.close()


class _PyMongoClient:
    """Its connections are the event loop's, and end with that: so it is closed before."""

    def __init__(self, uri: str) -> None:
        self.client: AnyDriver = AsyncMongoClient[Any](uri, driver=DRIVER_INFO)
        self._loop = asyncio.get_running_loop()
        # An event loop that ends (asyncio.run) closes the asynchronous generators that were begun
        # in it, and waits for them. This one is begun by a first step, which awaits nothing.
        self._end = self._close_at_the_end()
        with suppress(StopIteration):
            self._end.__anext__().send(None)

    async def _close_at_the_end(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            with pymongo.timeout(_CLOSE_SECONDS):
                await self.client.close()

    async def close(self) -> None:
        """Close it, in its event loop; if that stands still, it is closed when the loop is."""
        if self._loop is asyncio.get_running_loop():
            await self._end.aclose()
        elif self._loop.is_running():
            closing = asyncio.run_coroutine_threadsafe(self.close(), self._loop)
            await asyncio.wrap_future(closing)

    def drop(self) -> None:
        """It was closed when its event loop was."""


_KINDS: dict[DriverName, type[_MotorClient | _PyMongoClient]] = {
    "motor": _MotorClient,
    "pymongo": _PyMongoClient,
}


class ClientPerLoop:
    """A database through clients of our own."""

    def __init__(self, uri: str, database: str, driver: DriverName = "motor") -> None:
        if not isinstance(uri, str):
            raise TypeError(f"uri must be a str, got {type(uri).__name__}")
        if driver not in _KINDS:
            raise ValueError(f"driver must be one of {get_args(DriverName)}, got {driver!r}")
        _check_uri(uri)
        self._uri = uri
        self._name = database
        self._make = _KINDS[driver]
        self._clients: dict[asyncio.AbstractEventLoop, _MotorClient | _PyMongoClient] = {}
        self._lock = threading.Lock()
        self._closed = False

    def __str__(self) -> str:
        """Hosts and database, without what the URI says of users."""
        authority = re.split("[/?]", self._uri.partition("://")[2], maxsplit=1)[0]
        return f"{authority.rpartition('@')[2]}/{self._name}"

    def database(self) -> AnyDriver:
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._closed:
                raise StoreClosed(CLOSED)
            if loop not in self._clients:
                for closed in [other for other in self._clients if other.is_closed()]:
                    self._clients.pop(closed).drop()
                self._clients[loop] = self._make(self._uri)
            return self._clients[loop].client.get_database(self._name)

    async def close(self) -> None:
        with self._lock:
            self._closed = True
            clients, self._clients = self._clients, {}
        for loop, client in clients.items():
            if loop.is_closed():
                client.drop()
            else:
                await client.close()


def _check_uri(uri: str) -> None:
    """Raise InvalidURI, without the URI: there is a password in it."""
    authority, _, rest = uri.partition("://")[2].partition("/")
    if "@" in rest.partition("?")[0] and "@" not in authority:
        raise InvalidURI(f"there is an @ behind the first / of the URI: {_CREDENTIALS}")
    if uri.startswith("mongodb+srv://"):
        return  # it would ask the name server
    try:
        parse_uri(uri)
    except InvalidURI as error:
        hint = f" ({_CREDENTIALS})" if "@" in uri else ""
        raise InvalidURI(f"{error}{hint}") from None
