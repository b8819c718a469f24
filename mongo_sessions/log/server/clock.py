"""The server's time, as an expression that the server evaluates. Workers compare no other time.

The clocks of clients differ by minutes, which is as long as a lease.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

Time: TypeAlias = "Callable[[float], Any]"
"""Takes seconds from now, and returns that time."""


def server_time(seconds: float) -> dict[str, Any]:
    """The time ``seconds`` from now, for ``$expr`` and for update pipelines."""
    return {"$add": ["$$NOW", round(seconds * 1000)]}


def client_time(seconds: float) -> datetime:
    """The same for mongomock, which runs in this process and has no ``$$NOW``."""
    return datetime.now(timezone.utc) + timedelta(seconds=seconds)
