"""Something done once, whoever needs it first."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from .log.retries import run_to_completion

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

T = TypeVar("T")

_LOOK_AGAIN_SECONDS = 1.0


class _Attempt(NamedTuple):
    outcome: Future[Any]
    loop: asyncio.AbstractEventLoop


class _AbandonedError(Exception):
    """The event loop of whoever made the attempt has ended."""


class Once(Generic[T]):
    """Run a coroutine once, and give everybody its result: from any thread and event loop.

    A failure goes to all who waited for it, and the next to ask tries again.
    """

    def __init__(self) -> None:
        self._attempt: _Attempt | None = None
        self._lock = threading.Lock()

    async def get(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        while True:
            with self._lock:
                attempt, first = self._attempt, self._attempt is None
                if attempt is None:
                    attempt = self._attempt = _Attempt(Future(), asyncio.get_running_loop())
            if first:
                await run_to_completion(self._make(attempt, make))
            try:
                result: T = await self._outcome_of(attempt)
            except _AbandonedError:
                continue
            return result

    async def _make(self, attempt: _Attempt, make: Callable[[], Coroutine[Any, Any, T]]) -> None:
        try:
            attempt.outcome.set_result(await make())
        except asyncio.CancelledError:  # the loop ends, and cancels all that is in it
            self._forget(attempt)
            attempt.outcome.set_exception(_AbandonedError())
            raise
        except Exception as error:  # noqa: BLE001 - it belongs to all who wait
            self._forget(attempt)
            attempt.outcome.set_exception(error)

    async def _outcome_of(self, attempt: _Attempt) -> T:
        waiting = asyncio.wrap_future(attempt.outcome)
        while not waiting.done():
            if attempt.loop.is_closed() and not attempt.outcome.done():
                self._forget(attempt)
                raise _AbandonedError
            # wait: cancelling this caller must not cancel it for the others.
            await asyncio.wait({waiting}, timeout=_LOOK_AGAIN_SECONDS)
        result: T = waiting.result()
        return result

    def _forget(self, attempt: _Attempt) -> None:
        with self._lock:
            if self._attempt is attempt:
                self._attempt = None
