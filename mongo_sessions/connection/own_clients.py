"""A store's own clients: made from a URI, one per event loop, and closed with the store."""

from __future__ import annotations

import asyncio
import re
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import pymongo
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from pymongo.errors import ConfigurationError, InvalidURI
from pymongo.uri_parser import parse_uri

from ..log.server.drivers import DRIVER_INFO

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ..log.server.drivers import AnyDriver
    from .clients import Client

DriverName: TypeAlias = Literal["motor", "pymongo"]

# Closing tells the server which driver sessions end, and must not wait for an absent server.
_CLOSE_SECONDS = 2.0

_CREDENTIALS = "in a user name or a password, @, : and / must be percent-escaped"


class _MotorClient:
    """It runs in threads of its own, independent of the event loop."""

    def __init__(self, uri: str, database: str) -> None:
        self._client: AnyDriver = AsyncIOMotorClient[Any](uri)
        self.database: AnyDriver = self._client.get_database(database)

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def drop(self) -> None:
        """Close it in a thread: there is no event loop to wait in."""
        threading.Thread(target=self._close, name="mongo-sessions-close").start()

    def _close(self) -> None:
        with pymongo.timeout(_CLOSE_SECONDS):
            self._client.close()


class _PyMongoClient:
    """Its connections end with the event loop, so it is closed before the loop is."""

    def __init__(self, uri: str, database: str) -> None:
        self._client: AnyDriver = AsyncMongoClient[Any](uri, driver=DRIVER_INFO)
        self.database: AnyDriver = self._client.get_database(database)
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
                closing = asyncio.ensure_future(self._client.close())
            # That bounds its commands. It also waits for its monitors, and nothing bounds that.
            await asyncio.wait({closing}, timeout=2 * _CLOSE_SECONDS)
            if closing.done():
                closing.result()

    async def close(self) -> None:
        """Close it in its event loop. If that does not run, its end closes the client."""
        if self._loop is asyncio.get_running_loop():
            await self._end.aclose()
        elif self._loop.is_running():
            closing = asyncio.run_coroutine_threadsafe(self.close(), self._loop)
            await asyncio.wrap_future(closing)

    def drop(self) -> None:
        """Do nothing: the end of the event loop has closed it."""


_KINDS: dict[DriverName, type[_MotorClient | _PyMongoClient]] = {
    "motor": _MotorClient,
    "pymongo": _PyMongoClient,
}


class OwnClients:
    """Makes a client for each event loop from one URI. No I/O takes place in the constructor."""

    def __init__(self, uri: str, database: str, driver: DriverName = "motor") -> None:
        if not isinstance(uri, str):
            raise TypeError(f"uri must be a str, got {type(uri).__name__}")
        if driver not in _KINDS:
            raise ValueError(f"driver must be one of {get_args(DriverName)}, got {driver!r}")
        _check_uri(uri)
        self._uri = uri
        self._database = database
        self._make = _KINDS[driver]

    def __str__(self) -> str:
        authority, rest = _split(self._uri)
        if "@" in rest:  # perhaps of a password, and then this is no host
            return f"…/{self._database}"
        return f"{authority.rpartition('@')[2]}/{self._database}"

    def connect(self) -> Client:
        """A new client for the running event loop."""
        return self._make(self._uri, self._database)


def _split(uri: str) -> tuple[str, str]:
    """User, password and hosts of a URI, and what follows them.

    With an @ in the second part, both may be parts of a password that is not escaped.
    """
    authority, *rest = re.split("[/?]", uri.partition("://")[2], maxsplit=1)
    return authority, "".join(rest)


def _check_uri(uri: str) -> None:
    """Raise InvalidURI, without the URI in its message: it holds a password."""
    path = uri.partition("://")[2].partition("/")[2].partition("?")[0]
    if "@" in path:
        raise InvalidURI(f"there is an @ behind the first / of the URI: {_CREDENTIALS}")
    if uri.startswith("mongodb+srv://"):
        return  # to parse it takes a DNS query
    try:
        parse_uri(uri)
    except InvalidURI as error:
        raise InvalidURI(_text_of(error, uri)) from None
    except ConfigurationError as error:
        raise ConfigurationError(_text_of(error, uri)) from None


def _text_of(error: ConfigurationError, uri: str) -> str:
    """PyMongo's error, and what may help; not its text if it may hold a part of a password."""
    if "@" in _split(uri)[1]:
        return f"the URI is not valid: {_CREDENTIALS}"
    if isinstance(error, InvalidURI):
        return f"{error} ({_CREDENTIALS})" if "@" in uri else str(error)
    # "Unknown option.", and in some versions its name.
    options = [option.partition("=")[0] for option in uri.partition("?")[2].split("&")]
    return f"{error} The URI has these: {', '.join(options)}"
