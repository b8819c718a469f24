"""Single flight: concurrent calls in one event loop share one run of an operation."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .cancellation import run_to_completion

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Runs ``operation`` for the first caller, and gives its outcome to each concurrent caller.

    The outcome is a result or an exception, and is not kept: a call after the end of a run starts
    another run. Cancelling a caller does not cancel the run.
    """

    def __init__(self, operation: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._operation = operation
        self._run: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        run = self._run
        if run is None or run.done():
            run = self._run = asyncio.create_task(self._operation())
            return await run_to_completion(run)
        await asyncio.wait({run})
        return run.result()
