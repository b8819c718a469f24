"""Motor and PyMongo's async client: what differs between them."""

from __future__ import annotations

import inspect
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeAlias

from pymongo.driver_info import DriverInfo

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorDatabase
    from pymongo.asynchronous.database import AsyncDatabase

Database: TypeAlias = "AsyncIOMotorDatabase[Any] | AsyncDatabase[Any]"

# The drivers have the same methods and no common type: a call returns a Future in Motor, a
# coroutine in PyMongo, and each has its own cursor.
AnyDriver: TypeAlias = Any


async def maybe_await(result: AnyDriver) -> AnyDriver:
    """Await ``result`` if the driver returned an awaitable.

    Only PyMongo's aggregate and start_transaction are awaitable, and only Motor's start_session.
    """
    return await result if inspect.isawaitable(result) else result


# The package's name in the handshake, for the server's log. Motor's clients do not send it: Motor
# appends the name to its own with "|", which PyMongo 4.19 and newer reject.
DRIVER_INFO = DriverInfo("mongo-sessions", version("mongo-sessions"))
