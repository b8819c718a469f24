"""Exports and imports, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mongo_sessions import MongoSessionStore
from tests.log.test_exactness import exactly
from tests.support.filling import fill

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from mongo_sessions import Imported
    from mongo_sessions.transfer.transfers import Transfers

USER = {"role": "user", "content": "Hello"}
ANSWER = {"role": "assistant", "content": "Hello Ann."}
COLLECTIONS = ("session_items", "session_items_cards")


async def exported(store: Transfers, *args: Any, **kwargs: Any) -> list[str]:
    return [line async for line in store.export(*args, **kwargs)]


async def emptied(database: Any) -> None:
    """Remove all sessions, also what they leave behind."""
    for collection in COLLECTIONS:
        await database[collection].delete_many({})


async def contents(store: MongoSessionStore, session_id: str) -> list[tuple]:
    return [(entry.seq, exactly(entry.item)) async for entry in store.session(session_id).entries()]


async def export_of(database: Any, number: int) -> tuple[list[str], MongoSessionStore]:
    """The lines of session "a" with that many items, and an empty store for a copy of it."""
    await fill(database, [{**USER, "n": n} for n in range(number)], lambda _: 1)
    lines = await exported(MongoSessionStore(database))
    return lines, MongoSessionStore(database, collection="copies")


class Stopped(Exception):
    """By a test."""


def stop_at_once(_: Imported) -> None:
    """As the progress of an import: it ends after the first batch."""
    raise Stopped


async def with_a_change(
    lines: Iterable[str], change: Callable[[], Awaitable[object]]
) -> AsyncIterator[str]:
    """The lines, and a change of what is stored after the first 700."""
    for index, line in enumerate(lines):
        if index == 700:
            await change()
        yield line
