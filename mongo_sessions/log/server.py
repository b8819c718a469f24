"""The server of a store: whether one is known, how long to look for it, what to say without one."""

from __future__ import annotations

import logging
import math
import re
import time
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pymongo import common
from pymongo.errors import OperationFailure, ServerSelectionTimeoutError
from pymongo.topology_description import TopologyDescription

from ..errors import ServerUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .drivers import AnyDriver

logger = logging.getLogger("mongo_sessions")

Method = TypeVar("Method", bound="Callable[..., Awaitable[Any]]")

_WHAT_TO_LOOK_AT = (
    "Is the server running, and reachable from here? On Atlas, is this machine on the IP access "
    "list? In the URI, are @, : and / in the user name and the password percent-escaped?"
)
_AUTHENTICATION_FAILED, _ATLAS_ERROR = 18, 8000


class Server:
    """The server, as one client sees it: no method asks it anything."""

    def __init__(self, client: AnyDriver) -> None:
        self._client = client
        self._is_missing = False

    def is_known(self) -> bool:
        """Whether the driver knows a member that takes writes, and so need not look for one."""
        topology = self._client.topology_description
        # Not so for mongomock, which is always there.
        return not isinstance(topology, TopologyDescription) or topology.has_writable_server()

    @property
    def selection_seconds(self) -> float:
        """``serverSelectionTimeoutMS``, if the client was given another than the default."""
        seconds = self._client.options.server_selection_timeout
        is_given = isinstance(seconds, (int, float)) and seconds != common.SERVER_SELECTION_TIMEOUT
        return seconds if is_given else math.inf

    def is_missing(self, error: ServerSelectionTimeoutError) -> None:
        """Log it: at the first failure after :meth:`has_answered`, for it may last."""
        if not self._is_missing:
            self._is_missing = True
            logger.warning(
                "No MongoDB server can be reached, and operations keep trying: %s. %s",
                _reason(error),
                _WHAT_TO_LOOK_AT,
            )

    def has_answered(self) -> None:
        self._is_missing = False


def explaining(method: Method) -> Method:
    """Let a coroutine function say in one paragraph that no server was found: see Explained."""

    @wraps(method)
    async def explained(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the method
        with Explained():
            return await method(*args, **kwargs)

    # Pyright tells the coroutine of a function from what is declared as one.
    return cast("Method", explained)


class Explained:
    """Turns the driver's errors about reaching a server into ones that say what to look at.

    Each has the driver's as its cause, without the many frames between here and there.
    """

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, ServerSelectionTimeoutError):
            seconds = time.monotonic() - self._began
            raise ServerUnavailable(
                f"no MongoDB server was reached in {seconds:.1f} s: {_reason(error)}. "
                f"{_WHAT_TO_LOOK_AT}"
            ) from ServerSelectionTimeoutError(str(error))
        if isinstance(error, OperationFailure) and _is_about_credentials(error):
            raise OperationFailure(
                "Authentication failed. Are the user name, the password (percent-escaped in a URI) "
                "and authSource right?",
                error.code,
            ) from OperationFailure(str(error), error.code)


def _reason(error: ServerSelectionTimeoutError) -> str:
    """What the driver says of each member, without its settings and its view of the topology."""
    members = str(error).partition(", Timeout: ")[0]
    return re.sub(r" \(configured timeouts: [^()]*\)", "", members)


def _is_about_credentials(error: OperationFailure) -> bool:
    return error.code == _AUTHENTICATION_FAILED or (
        error.code == _ATLAS_ERROR and "auth" in str(error).lower()
    )
