"""Retries of driver commands: which errors, how long, and with which pauses."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import pymongo
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    PyMongoError,
    ServerSelectionTimeoutError,
    WriteConcernError,
)

from .retry_listener import retry_listener

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager
    from types import TracebackType

    from .server import Server

T = TypeVar("T")

DUPLICATE_KEY = 11000
UNAUTHORIZED = 13
_WRITE_CONFLICT = 112
_TRANSACTION_TOO_OLD = 290  # the server aborted it, without the label for transient errors
_LABELS = ("RetryableWriteError", "TransientTransactionError", "UnknownTransactionCommitResult")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.25
_LONGEST_PAUSE_AFTER_CONFLICT = 0.03  # the other write has finished by then
_FIRST_ATTEMPT_SECONDS = 8.0
_FIRST_SELECTION_SECONDS = 2.0


def is_write_conflict(error: PyMongoError) -> bool:
    """Whether another write came first, or the transaction was aborted: nothing was written."""
    if isinstance(error, BulkWriteError):
        return any(problem["code"] == DUPLICATE_KEY for problem in error.details["writeErrors"])
    return (
        isinstance(error, DuplicateKeyError)
        or error.has_error_label("TransientTransactionError")
        or getattr(error, "code", None) == _TRANSACTION_TOO_OLD
    )


def is_transient(error: PyMongoError) -> bool:
    """Whether the same command may succeed soon. The outcome of this attempt is not known."""
    if isinstance(error, BulkWriteError):
        # An empty list means that the write was applied, but not acknowledged by a majority.
        return all(problem["code"] == _WRITE_CONFLICT for problem in error.details["writeErrors"])
    if isinstance(error, ConfigurationError):
        # PyMongo assumes that a connection made to a member in recovery never supports sessions.
        # Another connection supports them.
        return "Sessions are not supported" in str(error)
    return (
        isinstance(error, (ConnectionFailure, ExecutionTimeout, WriteConcernError))
        or any(map(error.has_error_label, _LABELS))
        # Outside of a transaction, the server retries by itself, and may give up.
        or getattr(error, "code", None) == _WRITE_CONFLICT
    )


def is_transient_or_conflict(error: PyMongoError) -> bool:
    return is_write_conflict(error) or is_transient(error)


def is_unknown_commit(error: PyMongoError) -> bool:
    """Whether a commit may or may not have been applied."""
    return error.has_error_label("UnknownTransactionCommitResult")


def _has_own_id_stored(error: PyMongoError) -> bool:
    """Whether our ``_id`` is taken: by an attempt that the driver retried by itself."""
    if isinstance(error, BulkWriteError):
        problems = error.details["writeErrors"]
    elif isinstance(error, DuplicateKeyError):
        problems = [error.details or {}]
    else:
        problems = []
    return any("_id" in problem.get("keyPattern", {}) for problem in problems)


class Backoff:
    """The time limits and pauses of one operation: pauses are random, and grow exponentially.

    Args:
        seconds: The deadline, from now.
        server: Whether the driver knows a server decides how long an attempt may take.
        attempt_seconds: The time limit of the first command.
    """

    def __init__(
        self, seconds: float, server: Server, attempt_seconds: float = _FIRST_ATTEMPT_SECONDS
    ) -> None:
        self._server = server
        self._deadline = time.monotonic() + seconds
        self._longest = _FIRST_PAUSE
        self._attempt_seconds = attempt_seconds
        self._selection_seconds = _FIRST_SELECTION_SECONDS
        self._selection_deadline: float | None = None

    def attempts(self, is_retryable: Callable[[PyMongoError], bool]) -> Attempts:
        return Attempts(self, is_retryable, self._server)

    def time_limit(self) -> AbstractContextManager[None]:
        """Limit the time of one command, so that enough remains for another attempt.

        A frozen primary keeps its connections open, and a driver waits for it until its monitor
        gives up, after 30 seconds by default. The election of a new primary takes less. After a
        timeout, the limit is doubled: the command may only be slow.

        While the driver knows no server, the limit is shorter, so that the first failure is logged
        soon. Server selection obeys no other limit than a deadline such as this one.
        """
        seconds = self._attempt_seconds
        if self._server.is_known():
            self._selection_deadline = None
        else:
            now = time.monotonic()
            if self._selection_deadline is None:
                self._selection_deadline = now + self._server.selection_seconds
            left = max(self._selection_deadline - now, _FIRST_PAUSE)
            seconds = min(seconds, self._selection_seconds, left)
        return pymongo.timeout(seconds)

    async def pause_after(self, error: PyMongoError) -> None:
        """Wait before the next attempt; raise ``error`` if the deadline would pass meanwhile.

        Server selection has a deadline of its own.
        """
        if error.timeout and self._selection_deadline is None:
            self._attempt_seconds *= 2
        elif error.timeout:
            self._selection_seconds *= 2
        is_conflict = is_write_conflict(error) and not isinstance(error, ConnectionFailure)
        longest = _LONGEST_PAUSE_AFTER_CONFLICT if is_conflict else _LONGEST_PAUSE
        pause = random.uniform(0, min(self._longest, longest))
        end = self._deadline
        if isinstance(error, ServerSelectionTimeoutError):
            end = min(end, self._selection_deadline or end)
        if time.monotonic() + pause >= end:
            raise error
        if isinstance(error, ServerSelectionTimeoutError):
            self._server.is_missing(error)
        if listener := retry_listener.get():
            listener(error)
        await asyncio.sleep(pause)
        self._longest = min(2 * self._longest, _LONGEST_PAUSE)


class Attempts:
    """Repeat a block until it succeeds, or fails with an error that is not retryable.

    ::

        async for attempt in backoff.attempts(is_transient):
            with attempt:
                ...

    The loop ends after a block without an error. An iterator, not a generator: ``return`` from a
    loop leaves an asynchronous generator open.
    """

    def __init__(
        self, backoff: Backoff, is_retryable: Callable[[PyMongoError], bool], server: Server
    ) -> None:
        self._backoff = backoff
        self._is_retryable = is_retryable
        self._server = server
        self._error: PyMongoError | None = None
        self._has_succeeded = False
        self.may_have_landed = False
        """Whether an earlier attempt may have been applied: its outcome is not known."""

    def __aiter__(self) -> Attempts:
        return self

    async def __anext__(self) -> Attempts:
        if self._has_succeeded:
            raise StopAsyncIteration
        if self._error is not None:
            error, self._error = self._error, None
            await self._backoff.pause_after(error)
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> bool:
        if error is None:
            self._has_succeeded = True
            self._server.has_answered()
            return False
        if not isinstance(error, PyMongoError) or not self._is_retryable(error):
            return False
        self._error = error
        if not is_write_conflict(error) or _has_own_id_stored(error):
            self.may_have_landed = True
        return True


async def retrying(
    command: Callable[[], Awaitable[T]],
    seconds: float,
    *,
    server: Server,
    attempt_seconds: float = _FIRST_ATTEMPT_SECONDS,
) -> T:
    """Run an idempotent command; retry it after transient errors."""
    backoff = Backoff(seconds, server, attempt_seconds)
    with pymongo.timeout(seconds):
        async for attempt in backoff.attempts(is_transient):
            with attempt, backoff.time_limit():
                result = await command()
    return result


class Retries(NamedTuple):
    """How long the commands of a log are retried, and on which server."""

    server: Server
    seconds: float

    def backoff(self) -> Backoff:
        return Backoff(self.seconds, self.server)

    async def run(self, command: Callable[[], Awaitable[T]]) -> T:
        """Run an idempotent command; retry it after transient errors."""
        return await retrying(command, self.seconds, server=self.server)

    async def run_long(self, command: Callable[[], Awaitable[T]]) -> T:
        """The same for a command of which one attempt may take all of the time."""
        return await retrying(
            command, self.seconds, server=self.server, attempt_seconds=self.seconds
        )
