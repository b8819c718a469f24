"""Server selection: is a server known, how long may its selection take, how to report a failure."""

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

from ...errors import ServerUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .drivers import AnyDriver

logger = logging.getLogger("mongo_sessions")

Method = TypeVar("Method", bound="Callable[..., Awaitable[Any]]")

_ADVICE = (
    "Is the server running, and reachable from here? On Atlas, is this machine on the IP access "
    "list? In the URI, are @, : and / in the user name and the password percent-escaped?"
)
_AUTHENTICATION_FAILED, _ATLAS_ERROR = 18, 8000


class Server:
    """The server, as known to one client. No method sends a command."""

    def __init__(self, client: AnyDriver) -> None:
        self._client = client
        self._is_missing = False

    def is_known(self) -> bool:
        """Whether the driver knows a member that accepts writes, and so skips server selection."""
        topology = self._client.topology_description
        # mongomock has no topology, and is always available.
        return not isinstance(topology, TopologyDescription) or topology.has_writable_server()

    @property
    def selection_seconds(self) -> float:
        """``serverSelectionTimeoutMS`` if it differs from the default; otherwise unlimited."""
        seconds = self._client.options.server_selection_timeout
        is_given = isinstance(seconds, (int, float)) and seconds != common.SERVER_SELECTION_TIMEOUT
        return seconds if is_given else math.inf

    def is_missing(self, error: ServerSelectionTimeoutError) -> None:
        """Log the first failure since the last :meth:`has_answered`: operations keep retrying."""
        if not self._is_missing:
            self._is_missing = True
            logger.warning(
                "No MongoDB server can be reached, and operations keep trying: %s. %s",
                _reason(error),
                _ADVICE,
            )

    def has_answered(self) -> None:
        self._is_missing = False


def explaining(method: Method) -> Method:
    """Decorate a coroutine function with :class:`Explained`."""

    @wraps(method)
    async def explained(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the method
        with Explained():
            return await method(*args, **kwargs)

    # Pyright distinguishes the Coroutine of a function from a declared Awaitable.
    return cast("Method", explained)


class Explained:
    """Turns the driver's errors about server selection and authentication into ones with advice.

    The driver's error is the cause of the new one, without its traceback, which is long.
    """

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, ServerSelectionTimeoutError):
            seconds = time.monotonic() - self._began
            raise ServerUnavailable(
                f"no MongoDB server was reached in {seconds:.1f} s: {_reason(error)}. {_ADVICE}"
            ) from ServerSelectionTimeoutError(str(error))
        if isinstance(error, OperationFailure) and _is_about_credentials(error):
            raise OperationFailure(
                "Authentication failed. Are the user name, the password (percent-escaped in a URI) "
                "and authSource right?",
                error.code,
            ) from OperationFailure(str(error), error.code)


def _reason(error: ServerSelectionTimeoutError) -> str:
    """The driver's message about each member, without the timeouts and the topology."""
    members = str(error).partition(", Timeout: ")[0]
    return re.sub(r" \(configured timeouts: [^()]*\)", "", members)


def _is_about_credentials(error: OperationFailure) -> bool:
    return error.code == _AUTHENTICATION_FAILED or (
        error.code == _ATLAS_ERROR and "auth" in str(error).lower()
    )
