"""The time that workers compare: the server's, in an expression that the server evaluates.

Client clocks differ by minutes, which is as long as a claim lasts.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

Time: TypeAlias = "Callable[[float], Any]"
"""Given seconds, the time so many seconds from now."""


def server_time(seconds: float) -> dict[str, Any]:
    """So many seconds from now, for ``$expr`` and for update pipelines."""
    return {"$add": ["$$NOW", round(seconds * 1000)]}


def client_time(seconds: float) -> datetime:
    """The same where the server is a part of this process (mongomock) and has no ``$$NOW``."""
    return datetime.now(timezone.utc) + timedelta(seconds=seconds)
