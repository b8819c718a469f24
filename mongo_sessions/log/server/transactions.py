"""One transaction: all of its writes are applied, or none."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import pymongo
from pymongo import ReadPreference, WriteConcern
from pymongo.errors import InvalidOperation, PyMongoError
from pymongo.read_concern import ReadConcern

from .drivers import AnyDriver, maybe_await
from .retries import is_transient_or_conflict, is_unknown_commit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .retries import Backoff, Retries

T = TypeVar("T")

MAJORITY = WriteConcern("majority")

_ABORT_SECONDS = 1.0


async def in_transaction(
    items: AnyDriver, backoff: Backoff, work: Callable[[AnyDriver], Awaitable[T]]
) -> T:
    """Call ``work`` with the driver's session, commit, and return what ``work`` returned.

    If ``work`` fails, nothing is written, and its error is raised. A transaction does not lock what
    it only reads.
    """
    async with await maybe_await(items.database.client.start_session()) as transaction:
        await maybe_await(
            transaction.start_transaction(
                read_concern=ReadConcern("snapshot"),
                write_concern=MAJORITY,
                read_preference=ReadPreference.PRIMARY,
            )
        )
        try:
            with backoff.time_limit():
                result = await work(transaction)
            # The server remembers the outcome of a commit, so it may be sent again.
            async for attempt in backoff.attempts(is_unknown_commit):
                with attempt, backoff.time_limit():
                    await transaction.commit_transaction()
        except PyMongoError:
            # The end of the driver's session would abort it, too, but without a time limit.
            # InvalidOperation: a commit was sent.
            with pymongo.timeout(_ABORT_SECONDS), suppress(InvalidOperation):
                await transaction.abort_transaction()
            raise
        return result


async def exactly_once(
    items: AnyDriver,
    retries: Retries,
    work: Callable[[AnyDriver], Awaitable[T]],
    outcome: Callable[[], Awaitable[T | None]],
) -> T:
    """Apply ``work`` in a transaction, exactly once, and return what it returned.

    ``outcome`` looks for what an earlier attempt has left, in one read; None if there is nothing.
    """
    backoff = retries.backoff()
    with pymongo.timeout(retries.seconds):
        async for attempt in backoff.attempts(is_transient_or_conflict):
            with attempt:
                if attempt.may_have_landed:
                    with backoff.time_limit():
                        landed = await outcome()
                    if landed is not None:
                        return landed
                result = await in_transaction(items, backoff, work)
    return result
