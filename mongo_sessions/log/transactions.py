"""One transaction: all of its writes take place, or none."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import pymongo
from pymongo import ReadPreference, WriteConcern
from pymongo.errors import InvalidOperation, PyMongoError
from pymongo.read_concern import ReadConcern

from .drivers import AnyDriver, maybe_await

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .retries import Patience

T = TypeVar("T")

MAJORITY = WriteConcern("majority")

_ABORT_SECONDS = 1.0


async def in_transaction(
    items: AnyDriver, patience: Patience, work: Callable[[AnyDriver], Awaitable[T]]
) -> T:
    """Return what ``work`` returns, which is given the driver's session, after the commit.

    If ``work`` fails, nothing was written, and the error is raised. What it only reads, others may
    change before the commit; what it writes, they may not.
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
            with patience.attempt():
                result = await work(transaction)
            await _commit(transaction, patience)
        except PyMongoError:
            # The end of the session would abort it, too, and wait for a server that stands still.
            # InvalidOperation: a commit was asked for.
            with pymongo.timeout(_ABORT_SECONDS), suppress(InvalidOperation):
                await transaction.abort_transaction()
            raise
        return result


async def _commit(transaction: AnyDriver, patience: Patience) -> None:
    """Ask for the commit until its outcome is known: the server remembers it."""
    while True:
        try:
            with patience.attempt():
                await transaction.commit_transaction()
        except PyMongoError as error:
            if not error.has_error_label("UnknownTransactionCommitResult"):
                raise
            await patience.pause_after(error)
        else:
            return
