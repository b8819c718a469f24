"""Something done once, whoever needs it first."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeVar

from .retries import settled

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

T = TypeVar("T")


class Once(Generic[T]):
    """Run a coroutine once, and give everybody its result: from any thread and event loop.

    A failure goes to all who waited for it, and the next to ask tries again.
    """

    def __init__(self) -> None:
        self._outcome: Future[T] | None = None
        self._lock = threading.Lock()

    async def get(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        with self._lock:
            outcome, first = self._outcome, self._outcome is None
            if outcome is None:
                outcome = self._outcome = Future()
        if first:
            await settled(self._run(make, outcome))
        if outcome.done():
            return outcome.result()
        # shield: cancelling this caller must not cancel it for the others.
        return await asyncio.shield(asyncio.wrap_future(outcome))

    async def _run(self, make: Callable[[], Coroutine[Any, Any, T]], outcome: Future[T]) -> None:
        try:
            outcome.set_result(await make())
        except BaseException as error:  # noqa: BLE001 - all of them belong to those who wait
            self._outcome = None
            outcome.set_exception(error)
