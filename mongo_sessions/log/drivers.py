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

# The two drivers share their methods, and no type: the same call returns a Future here, a
# coroutine there, and a cursor of its own kind in both.
AnyDriver: TypeAlias = Any


async def maybe_await(result: AnyDriver) -> AnyDriver:
    """Await ``result`` where the driver wants that.

    aggregate and start_transaction are to be awaited in PyMongo alone, start_session in Motor.
    """
    return await result if inspect.isawaitable(result) else result


# The package's name in the handshake, for the server's log. Motor's clients send none: Motor joins
# the name to its own by "|", which PyMongo 4.19 and newer refuse.
DRIVER_INFO = DriverInfo("mongo-sessions", version("mongo-sessions"))
