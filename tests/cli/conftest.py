"""The command, run in this process on a database of its own."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from mongo_sessions import MongoSessionStore, SummarizeOlder
from mongo_sessions.cli import main
from tests.conftest import open_database
from tests.support.scribes import Scribe, turns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CALL = {
    "type": "function_call",
    "call_id": "call_1",
    "name": "look_up",
    "arguments": '{"order": "A-1017"}',
}
OUTPUT = {
    "type": "function_call_output",
    "call_id": "call_1",
    "output": "it is \x1b[31mlate\n" * 40,
}


class Ran(NamedTuple):
    """What a command has printed."""

    code: int
    out: str
    err: str


@pytest.fixture
async def database(replica_set: str) -> AsyncIterator[Any]:
    """The command has clients of its own: one driver fills the database."""
    async with open_database("pymongo", replica_set) as database:
        yield database


@pytest.fixture
def run(database, replica_set, capsys, monkeypatch):
    """Runs the command on the database, as in a pipe, or with ``terminal=True`` as in one."""
    monkeypatch.setenv("COLUMNS", "100")

    async def run(*arguments: str, terminal: bool = False, uri: str = replica_set) -> Ran:
        monkeypatch.setenv("FORCE_COLOR", "1" if terminal else "")
        monkeypatch.setenv("TERM", "xterm")  # rich draws no colour on a "dumb" one
        monkeypatch.setenv("MONGODB_URI", uri)
        capsys.readouterr()
        whole = ["--database", database.name, *arguments]
        code = await asyncio.to_thread(main, whole)  # it runs an event loop of its own
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    os.environ.pop("NO_COLOR", None)
    return run


@pytest.fixture
async def filled(database) -> Any:
    """A long session with a summary, one with a tool call, one that is empty again."""
    policy = SummarizeOlder(Scribe(), max_tokens=1_000)
    store = MongoSessionStore(database, policy=policy)
    long = store.session("user-1:long")
    for number in range(1, 13):
        await long.add_items(turns(number, number))
        await long.flush()
    store = MongoSessionStore(database)
    await store.session("user-2:tools").add_items(
        [{"role": "user", "content": "Where is order A-1017?"}, CALL, OUTPUT]
    )
    await store.session("user-2:tools").add_items([{"role": "assistant", "content": "Late."}])
    gone = store.session("user-3:gone")
    await gone.add_items(turns(1, 2))
    await gone.clear_session()
    for session in (long, store.session("user-2:tools"), gone):
        await session.flush()  # their cards
    return database
