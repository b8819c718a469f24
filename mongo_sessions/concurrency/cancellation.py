"""A cancelled caller waits until the outcome of its write is known."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


async def cancellable(operation: Coroutine[Any, Any, T]) -> T:
    """Run a read in a task of its own, so that a cancellation surely reaches the caller.

    PyMongo's async client may lose one that comes while a command ends. The caller of a single
    command hardly notices; a loop would go on for ever.
    """
    task = asyncio.ensure_future(operation)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # or asyncio complains that the exception was never retrieved
        raise
    return task.result()


async def run_to_completion(operation: Coroutine[Any, Any, T] | asyncio.Task[T]) -> T:
    """Run ``operation`` to its end, even if the caller is cancelled in the meantime.

    A cancelled caller gets its cancellation when the outcome is known, so that no write takes place
    after the call has ended. A store's ``retry_for`` bounds how long that takes. The one exception
    is the end of the event loop, which cancels every task, this operation included.
    """
    task = asyncio.ensure_future(operation)
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation is not None:
        if not task.cancelled():
            task.exception()  # or asyncio complains that the exception was never retrieved
        raise cancellation
    return task.result()
