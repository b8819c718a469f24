"""``import --from``: the sessions of the SDK's other stores, by the command."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from agents import SQLiteSession
from agents.extensions.memory import (
    AdvancedSQLiteSession,
    AsyncSQLiteSession,
    MongoDBSession,
    RedisSession,
    SQLAlchemySession,
)

from benchmarks.servers import redis
from mongo_sessions import MongoSessionStore
from tests.transfer.test_other_sessions import HAS_REDIS

SESSIONS: dict[str, list[Any]] = {
    "a": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello Ann."}],
    "b:messages": [{"role": "user", "content": "Which ferry goes to Cacilhas? \u2713"}],
    "c/1": [{"n": 1, "f": 1.0, "$ref": None}],
}
DATE = datetime(2024, 2, 29, 12, 30, 1, tzinfo=timezone.utc)


@pytest.fixture
async def store(database) -> MongoSessionStore:
    store = MongoSessionStore(database)
    await store.ensure_indexes()
    return store


@pytest.fixture
def path(tmp_path) -> str:
    return str(tmp_path / "my sessions #1.db")


async def filled_sqlite(path: str) -> str:
    for session_id, items in SESSIONS.items():
        session = SQLiteSession(session_id, path)
        await session.add_items(items)
        session.close()
    return f"sqlite:{path}"


async def filled_async_sqlite(path: str) -> str:
    for session_id, items in SESSIONS.items():
        session = AsyncSQLiteSession(session_id, path)
        await session.add_items(items)
        await session.close()
    return f"sqlite:{path}"


async def filled_advanced(path: str) -> str:
    for session_id, items in SESSIONS.items():
        session = AdvancedSQLiteSession(session_id=session_id, db_path=path, create_tables=True)
        await session.add_items(items)
        if session_id == "a":  # the branch "main" is imported
            await session.create_branch_from_turn(1)
            await session.add_items([{"role": "user", "content": "in another branch"}])
        session.close()
    return f"sqlite:{path}"


async def filled_sqlalchemy(url: str) -> str:
    for session_id, items in SESSIONS.items():
        session = SQLAlchemySession.from_url(session_id, url=url, create_tables=True)
        await session.add_items(items)
        await session.engine.dispose()
    return f"sqlalchemy:{url}"


def dated(path: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE agent_messages SET created_at = '2024-02-29 12:30:01'")


async def contents(store: MongoSessionStore) -> dict[str, Any]:
    found = {}
    for session_id in SESSIONS:
        found[session_id] = [entry async for entry in store.session(session_id).entries()]
    return found


async def check(run, store: MongoSessionStore, source: str, date: datetime | None = None) -> None:
    """Import all, exactly and with the dates; a second run adds nothing."""
    imported = await run("import", "--from", source, "--json")
    assert (imported.code, imported.err) == (0, "")
    counted = {"sessions": 3, "items": 4, "skipped": 0, "refused": 0}
    assert json.loads(imported.out) == counted
    found = await contents(store)
    assert {name: [one.item for one in entries] for name, entries in found.items()} == SESSIONS
    if date is not None:
        assert {one.created_at for entries in found.values() for one in entries} == {date}
    again = await run("import", "--from", source)
    assert again.out == "3 sessions, 0 items stored, 4 were there already\n"


@pytest.mark.parametrize("fill", [filled_sqlite, filled_async_sqlite, filled_advanced])
async def test_every_session_of_a_sqlite_file(run, store, path, fill):
    source = await fill(path)
    dated(path)
    await check(run, store, source, DATE)


async def test_every_session_of_a_database_of_sqlalchemy(run, store, path):
    source = await filled_sqlalchemy(f"sqlite+aiosqlite:///{path}")
    dated(path)
    await check(run, store, source, DATE)


async def test_every_session_of_a_redis(run, store):
    if not HAS_REDIS:
        return
    with redis() as url:
        for session_id, items in SESSIONS.items():
            session = RedisSession.from_url(session_id, url=url)
            await session.add_items(items)
            await session.close()
        await check(run, store, url)


async def test_every_session_of_the_sdks_mongo_session(run, store, database, replica_set):
    begun = datetime.now(timezone.utc) - timedelta(seconds=2)
    client, name = database.client, f"{database.name}_sdk"
    for session_id, items in SESSIONS.items():
        session = MongoDBSession(session_id, client=client, database=name)
        await session.add_items([{"role": "user", "content": "cleared"}])
        await session.clear_session()
        await session.add_items(items)
    await MongoDBSession("empty", client=client, database=name).clear_session()
    batch = await client[name]["agent_messages"].find_one({"session_id": "a"})
    await check(run, store, f"mongodb:{name}")
    [first, second] = (await contents(store))["a"]
    assert first.created_at == second.created_at == batch["_id"].generation_time >= begun
    elsewhere = replica_set.replace("/?", f"/{name}?")
    assert elsewhere != replica_set
    again = await run("import", "--from", elsewhere)
    assert again.out == "3 sessions, 0 items stored, 4 were there already\n"
    await client.drop_database(name)


async def test_named_sessions_and_what_is_refused(run, store, path):
    source = await filled_sqlite(path)
    await store.session("a").add_items([{"role": "user", "content": "of another application"}])
    named = await run("import", "--from", source, "--session", "c/1", "--session", "z")
    assert named.code == 1
    assert named.out == "1 session, 1 item stored; 1 refused\n"
    assert named.err == "mongo-sessions: there is no session 'z' with items in the source\n"
    rest = await run("import", "--from", source)
    assert rest.code == 1
    assert rest.out == "2 sessions, 1 item stored, 1 were there already; 1 refused\n"
    assert rest.err.startswith("mongo-sessions: session 'a' is not imported: ")
    assert rest.err.count("\n") == 1
    assert "Hello" not in rest.err


@pytest.mark.parametrize(
    ("source", "code", "message"),
    [
        ("sqlite:/no/such/file.db", 2, "unable to open database file"),
        ("sqlite:", 2, "--from must be sqlite:FILE, sqlalchemy:URL, "),
        ("postgres://ann:hunter2@h/db", 2, "--from must be sqlite:FILE, sqlalchemy:URL, "),
        ("sqlalchemy:postgresql://ann:hunter2@h/db", 2, "asynchronous driver"),
        ("sqlalchemy:hunter2", 2, "no URL of SQLAlchemy"),
        ("sqlalchemy:nodb+none://ann:hunter2@h/db", 2, "no URL of SQLAlchemy"),
        ("sqlalchemy:mysql+aiomysql://ann:hunter2@h/db", 2, "aiomysql is not installed"),
        ("sqlalchemy:postgresql+asyncpg://ann:hunter2@127.0.0.1:1/db", 3, "--from: "),
        ("redis://ann:hunter2@127.0.0.1:1/0", 3, "--from: "),
        ("redis:hunter2", 2, "--from must be "),
        ("redis://h:hunter2/0", 2, "no URL of a Redis"),
        ("mongodb://ann:hunter2@127.0.0.1:1/db", 3, "no MongoDB server was reached"),
        ("mongodb://ann:hun/ter2@127.0.0.1:1/db", 2, "percent-escaped"),
    ],
)
async def test_a_source_that_cannot_be_opened(run, store, source, code, message):
    failed = await run("--timeout", "1", "import", "--from", source)
    assert (failed.code, failed.out) == (code, "")
    assert message in failed.err
    assert failed.err.startswith("mongo-sessions: ")
    assert failed.err.count("\n") == 1
    assert "hun" not in failed.err


async def test_a_file_without_sessions(run, store, path):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE agent_notes (text)")
    failed = await run("import", "--from", f"sqlite:{path}")
    assert failed.code == 1
    assert "has no table agent_messages" in failed.err
    session = SQLiteSession("a", path)
    session.close()
    failed = await run("import", "--from", f"sqlite:{path}")
    assert (failed.code, failed.err) == (1, "mongo-sessions: there are no sessions in the source\n")


@pytest.mark.parametrize("kind", ["sqlalchemy", "redis"])
async def test_an_extra_that_is_not_installed(run, store, kind, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == kind]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, f"mongo_sessions.cli.sources.{kind}", raising=False)
    failed = await run("import", "--from", f"{kind}:{'//' if kind == 'redis' else ''}hunter2")
    assert failed.code == 2
    assert f"pip install 'openai-agents[{kind}]'" in failed.err
    assert failed.err.count("\n") == 1
