"""The listener of retries: a seam for spans and metrics, which are made above.

A context variable, as one operation runs several commands, and some of them in tasks of its own.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pymongo.errors import PyMongoError

RetryListener: TypeAlias = "Callable[[PyMongoError], object]"

retry_listener: ContextVar[RetryListener | None] = ContextVar("retry_listener", default=None)
"""Called before each retry of the operation that runs in this context. It must not raise."""


def tell_each(listeners: Iterable[RetryListener | None]) -> RetryListener | None:
    """One listener in place of several: a group commit retries for all of its appends."""
    present = [listener for listener in listeners if listener is not None]
    if len(present) <= 1:
        return present[0] if present else None

    def tell(error: PyMongoError) -> None:
        for listener in present:
            listener(error)

    return tell
