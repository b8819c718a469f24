"""The decorator of the operations that have a span."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from ..log.server.server import explaining
from ..telemetry.telemetry import IS_ON, operation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..connection.connections import Connections

    class _Session(Protocol):
        session_id: str
        _connections: Connections


Method = TypeVar("Method", bound="Callable[..., Awaitable[Any]]")


def traced(method: Method) -> Method:
    """Decorate a method of a session: each call is an operation, named after the method.

    Its errors are the ones of :func:`explaining`.
    """
    method = explaining(method)
    if not IS_ON:
        return method
    name = method.__name__

    @wraps(method)
    async def recorded(session: _Session, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the method
        collection = session._connections.state.options.collection  # noqa: SLF001 - its decorator
        with operation(name, session.session_id, collection):
            return await method(session, *args, **kwargs)

    # Pyright distinguishes the Coroutine of a function from a declared Awaitable.
    return cast("Method", recorded)
