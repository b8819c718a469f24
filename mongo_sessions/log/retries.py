"""When to try again, and for how long."""

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

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager

    from .server import Server

T = TypeVar("T")

_DUPLICATE_KEY = 11000
_WRITE_CONFLICT = 112
_TRANSACTION_TOO_OLD = 290  # undone by the server, which does not call that transient
_PASSING = ("RetryableWriteError", "TransientTransactionError", "UnknownTransactionCommitResult")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.25
_LONGEST_PAUSE_IN_A_RACE = 0.03  # the other writer is done by then
_FIRST_ATTEMPT_SECONDS = 8.0
_FIRST_LOOK_SECONDS = 2.0


def is_write_conflict(error: PyMongoError) -> bool:
    """Whether another writer was first, or the transaction was undone: nothing was written."""
    if isinstance(error, BulkWriteError):
        return any(problem["code"] == _DUPLICATE_KEY for problem in error.details["writeErrors"])
    return (
        isinstance(error, DuplicateKeyError)
        or error.has_error_label("TransientTransactionError")
        or getattr(error, "code", None) == _TRANSACTION_TOO_OLD
    )


def is_transient(error: PyMongoError) -> bool:
    """Whether the same command may succeed soon. What it did this time is not known."""
    if isinstance(error, BulkWriteError):
        # Without any, it was written, but a majority has not said so.
        return all(problem["code"] == _WRITE_CONFLICT for problem in error.details["writeErrors"])
    if isinstance(error, ConfigurationError):
        # PyMongo takes a connection that was made to a member in recovery for one that will never
        # have sessions. Another connection has them.
        return "Sessions are not supported" in str(error)
    return (
        isinstance(error, (ConnectionFailure, ExecutionTimeout, WriteConcernError))
        or any(map(error.has_error_label, _PASSING))
        # Outside of a transaction, the server tries again by itself, and may give up.
        or getattr(error, "code", None) == _WRITE_CONFLICT
    )


class Patience:
    """Attempts, with pauses between them that are longer each time and random, for so long."""

    def __init__(
        self, seconds: float, server: Server, attempt_seconds: float = _FIRST_ATTEMPT_SECONDS
    ) -> None:
        self._server = server
        self._deadline = time.monotonic() + seconds
        self._longest = _FIRST_PAUSE
        self._attempt_seconds = attempt_seconds
        self._look_seconds = _FIRST_LOOK_SECONDS
        self._look_until: float | None = None

    def attempt(self) -> AbstractContextManager[None]:
        """Bound the time of one command, so that there is some left for another attempt.

        A primary that stands still keeps its connections open, and a driver waits for it until its
        monitor gives up: 30 seconds by default. Others have elected a new primary long before. What
        is merely slow gets twice the time at the next attempt.

        While no server is known, an attempt is short: the first failure is to be told soon. And a
        deadline around it, such as this one, is all that a driver heeds when it looks for a server.
        """
        seconds = self._attempt_seconds
        if self._server.is_known():
            self._look_until = None
        else:
            now = time.monotonic()
            if self._look_until is None:
                self._look_until = now + self._server.selection_seconds
            seconds = min(seconds, self._look_seconds, max(self._look_until - now, _FIRST_PAUSE))
        return pymongo.timeout(seconds)

    async def pause_after(self, error: PyMongoError) -> None:
        """Raise ``error`` if the time is up, or that for looking for a server."""
        if error.timeout and self._look_until is None:
            self._attempt_seconds *= 2
        elif error.timeout:
            self._look_seconds *= 2
        is_race = is_write_conflict(error) and not isinstance(error, ConnectionFailure)
        longest = min(self._longest, _LONGEST_PAUSE_IN_A_RACE) if is_race else self._longest
        pause = random.uniform(0, longest)
        end = self._deadline
        if isinstance(error, ServerSelectionTimeoutError):
            end = min(end, self._look_until or end)
        if time.monotonic() + pause >= end:
            raise error
        if isinstance(error, ServerSelectionTimeoutError):
            self._server.is_missing(error)
        await asyncio.sleep(pause)
        self._longest = min(2 * self._longest, _LONGEST_PAUSE)


async def retrying(
    command: Callable[[], Awaitable[T]],
    seconds: float,
    *,
    server: Server,
    attempt_seconds: float = _FIRST_ATTEMPT_SECONDS,
) -> T:
    """Run a command that may well run twice, again while its failure may pass."""
    patience = Patience(seconds, server, attempt_seconds)
    with pymongo.timeout(seconds):
        while True:
            try:
                with patience.attempt():
                    result = await command()
            except PyMongoError as error:
                if not is_transient(error):
                    raise
                await patience.pause_after(error)
            else:
                server.has_answered()
                return result


class Retries(NamedTuple):
    """For how long the commands of a log are tried again, and on which server."""

    server: Server
    seconds: float

    def patience(self) -> Patience:
        return Patience(self.seconds, self.server)

    async def run(self, command: Callable[[], Awaitable[T]]) -> T:
        """Run a command that may well run twice, again while its failure may pass."""
        return await retrying(command, self.seconds, server=self.server)
