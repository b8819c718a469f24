"""Write conflicts with an open transaction that has changed the newest place."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from mongo_sessions.log.server.drivers import maybe_await

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ITEMS = [{"role": "user", "content": str(n)} for n in range(4)]
INSTEAD = {"role": "user", "content": "instead"}


@asynccontextmanager
async def newest_place_held(database: Any) -> AsyncIterator[None]:
    """A transaction has written to it, and is aborted at the end."""
    collection = database["session_items"]
    async with await maybe_await(database.client.start_session()) as transaction:
        await maybe_await(transaction.start_transaction())
        await collection.update_one(
            {"session_id": "a", "seq": 4}, {"$set": {"held": True}}, session=transaction
        )
        yield
        await transaction.abort_transaction()


@pytest.mark.parametrize(
    ("operation", "command", "attempts", "left"),
    [
        # The server waits with a single write, and refuses one in a transaction.
        ("pop", "findAndModify", 1, ITEMS[:3]),
        ("clear", "findAndModify", 1, []),
        ("replace the end", "update", 3, [*ITEMS[:2], INSTEAD]),
        ("replace all", "update", 3, [INSTEAD]),
    ],
)
async def test_a_write_succeeds_when_the_conflicting_transaction_ends(  # noqa: PLR0917
    database, store, sent, operation, command, attempts, left
):
    session = store.session("a")
    await session.add_items(ITEMS)
    snapshot = await session._get_compaction_snapshot(2)
    operations = {
        "pop": session.pop_item,
        "clear": session.clear_session,
        "replace the end": lambda: snapshot.replace_suffix(0, [INSTEAD]),
        "replace all": lambda: session._atomic_replace_items([INSTEAD]),
    }
    async with newest_place_held(database):
        sent.clear()
        writing = asyncio.ensure_future(operations[operation]())
        await sent.wait_for(command, attempts)
        assert not writing.done()
    results = {"pop": ITEMS[3], "clear": None, "replace the end": True, "replace all": True}
    assert await writing == results[operation]
    assert await session.get_items() == left
