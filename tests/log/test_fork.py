"""A copy of a session: made on the server, and valid at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from mongomock_motor import AsyncMongoMockClient

from mongo_sessions import (
    Conflict,
    MongoSessionStore,
    NoSuchEntry,
    SessionExists,
    SummarizeOlder,
    TokenLimit,
)
from mongo_sessions.log.writes import fork
from mongo_sessions.log.writes.fork import Forker
from tests.support.faults import failing
from tests.support.messages import ITEMS, documents, user
from tests.support.scribes import Scribe, tokens, turns

if TYPE_CHECKING:
    from mongo_sessions import MongoSession

# Not of a copy, or its own.
OWN = ("_id", "session_id", "claim")


async def entries(session: MongoSession) -> list[Any]:
    return [entry async for entry in session.entries()]


async def items_of(database: Any, session_id: str) -> list[dict]:
    return [
        {field: value for field, value in document.items() if field not in OWN}
        for document in await documents(database)
        if document["session_id"] == session_id and "item" in document
    ]


@pytest.fixture(params=["motor-standalone", "pymongo-replica_set", "motor-replica_set"])
def backend(request) -> tuple[str, str]:
    driver, _, name = request.param.partition("-")
    return driver, request.getfixturevalue(name)


@pytest.fixture
async def server(any_database) -> Any:
    return any_database


async def test_a_copy_has_the_items_the_numbers_and_the_summaries(server):
    policy = SummarizeOlder(Scribe(), max_tokens=1_000)
    store = MongoSessionStore(server, token_counter=tokens, policy=policy)
    session = store.session("a")
    await session.add_items(turns(1, 3))
    await session.clear_session()
    for number in range(1, 20):
        await session.add_items(turns(number, number))
    await session.flush()
    await session.pin((await entries(session))[2].seq)
    await session.pop_item()
    twin = await session.fork("b")
    assert (twin.session_id, twin.policy) == ("b", policy)
    assert await twin.get_items() == await session.get_items()
    assert await items_of(server, "b") == await items_of(server, "a")
    assert (await twin.summary()).text == (await session.summary()).text
    assert [pin.seq for pin in await twin.pinned()] == [pin.seq for pin in await session.pinned()]
    one, two = await store.list_sessions()
    assert (one.items, one.total_tokens) == (two.items, two.total_tokens)
    before = await session.get_items()
    await twin.add_items([user("only here")])
    await twin.pop_item()
    await twin.add_items([user("only here")])
    assert (await entries(twin))[-1].turn == (await entries(session))[-1].turn + 1
    await session.clear_session()
    assert await twin.get_items(limit=1) == [user("only here")]
    assert len(before) > 3


@pytest.mark.parametrize("places", [1, 2, 5_000])
async def test_a_copy_up_to_an_entry(server, monkeypatch, places):
    monkeypatch.setattr(fork, "_SLICE", places)
    session = MongoSessionStore(server).session("a")
    await session.add_items(ITEMS)
    assert await (await session.fork("b", upto_seq=3)).get_items() == ITEMS[:3]
    twin = await session.fork("none", 0)
    assert await twin.get_items() == []
    assert await (await twin.fork("of none")).get_items() == []
    await twin.add_items(ITEMS)
    assert await twin.get_items() == ITEMS
    await session.rewind(3)
    for seq in (4, 6, 7, 99):
        with pytest.raises(NoSuchEntry, match=f"there is no item {seq} in session 'a'"):
            await session.fork("c", seq)
    assert await (await session.fork("c")).get_items() == ITEMS[:3]


async def test_an_id_in_use_is_refused(server):
    store = MongoSessionStore(server)
    session = store.session("a")
    await session.add_items(ITEMS)
    await store.session("b").add_items(ITEMS[:1])
    for new_id in ("a", "b"):
        with pytest.raises(SessionExists, match=f"there is a session '{new_id}' already"):
            await session.fork(new_id)
    assert await store.session("b").get_items() == ITEMS[:1]
    with pytest.raises(ValueError, match="session_id must"):
        await session.fork("")
    with pytest.raises(ValueError, match="upto_seq must be at least 0, got -1"):
        await session.fork("c", -1)


async def test_mongomock_cannot_fork():
    session = MongoSessionStore(AsyncMongoMockClient().get_database("test")).session("a")
    await session.add_items(ITEMS)
    with pytest.raises(NotImplementedError, match="fork needs a MongoDB server: mongomock"):
        await session.fork("b")


async def test_of_two_forks_to_one_id_one_wins(database):
    store = MongoSessionStore(database)
    await store.session("a").add_items(ITEMS)
    for n in range(5):
        results = await asyncio.gather(
            *(store.session("a").fork(f"new {n}", upto) for upto in (2, 4, 6)),
            return_exceptions=True,
        )
        refused = [result for result in results if isinstance(result, SessionExists)]
        (made,) = [result for result in results if result not in refused]
        assert len(refused) == 2
        upto = 2 * results.index(made) + 2
        assert await store.session(f"new {n}").get_items() == ITEMS[:upto]


@pytest.fixture
def halfway(monkeypatch):
    """Run a function when the items are copied, before the copy is visible."""
    waiting: list[Any] = []
    number = Forker._number

    async def count(forker: Forker, *arguments: Any) -> int:
        while waiting:
            await waiting.pop()()
        return await number(forker, *arguments)

    monkeypatch.setattr(Forker, "_number", count)
    return waiting.append


async def test_no_reader_and_no_writer_sees_a_part(server, halfway):
    store = MongoSessionStore(server)
    early = store.session("b")
    assert await early.get_items() == []
    await store.session("a").add_items(ITEMS)

    async def look() -> None:
        assert await store.session("b").get_items() == []
        assert await store.session("b").pop_item() is None
        await store.session("b").clear_session()
        await store._connections.current().cleaning.finish()
        assert [info.session_id for info in await store.list_sessions()] == ["a"]
        await early.add_items([user("early")])

    halfway(look)
    twin = await store.session("a").fork("b")
    assert await twin.get_items() == [*ITEMS, user("early")]


async def test_an_append_before_the_copy_appears_continues_its_numbers(server, halfway):
    store = MongoSessionStore(server)
    source = store.session("a")
    await source.add_items(ITEMS)
    await source.pop_item()
    await source.add_items([user("last")])
    halfway(lambda: store.session("b").add_items([user("early"), user("second")]))
    await source.fork("b")
    found = await items_of(server, "b")
    *_, last, early, second = found
    assert [d["turn"] - last["turn"] for d in (early, second)] == [1, 2]
    assert [d["total_tokens"] for d in (last, early, second)] == [
        sum(d["tokens"] for d in found[:end]) for end in (-2, -1, None)
    ]
    assert [d["seq"] - d["gaps"] for d in (last, early, second)] == [
        len(found) - 2,
        len(found) - 1,
        len(found),
    ]


async def test_items_that_are_removed_while_they_are_copied_are_not_in_the_copy(server, halfway):
    store = MongoSessionStore(server)
    session = store.session("a")
    await session.add_items(ITEMS)
    halfway(lambda: session.rewind(4))
    assert await (await store.session("a").fork("b")).get_items() == ITEMS[:4]
    halfway(lambda: session.rewind(2))
    with pytest.raises(NoSuchEntry):
        await session.fork("c", upto_seq=3)
    assert await store.session("c").get_items() == []
    halfway(session.clear_session)
    assert await (await session.fork("d")).get_items() == []


@pytest.mark.parametrize("how", ["deleted", "appended to and cleared"])
async def test_a_copy_that_is_removed_before_it_is_complete_stays_removed(server, halfway, how):
    store = MongoSessionStore(server)
    await store.session("a").add_items(ITEMS)

    async def remove() -> None:
        if how != "deleted":
            await store.session("b").add_items(ITEMS[:1])
            await store.session("b").clear_session()
        await store.delete_session("b")

    halfway(remove)
    with pytest.raises(Conflict, match="session 'b' was cleared or deleted while it was copied"):
        await store.session("a").fork("b")
    assert await items_of(server, "b") == []
    await store.session("b").add_items(ITEMS[:2])
    assert await store.session("b").get_items() == ITEMS[:2]


async def test_a_copy_that_was_given_up_is_removed_by_a_reader(server, halfway, monkeypatch):
    monkeypatch.setattr(fork, "_SECONDS", -1.0)
    store = MongoSessionStore(server)
    await store.session("a").add_items(ITEMS)

    async def die() -> None:
        raise asyncio.CancelledError

    halfway(die)
    with pytest.raises(asyncio.CancelledError):
        await store.session("a").fork("b")
    assert len(await items_of(server, "b")) == 6
    assert await store.session("b").get_items() == []
    await store._connections.current().cleaning.finish()
    assert await items_of(server, "b") == []
    await store.session("b").add_items(ITEMS[:2])
    assert await store.session("b").get_items() == ITEMS[:2]
    assert all("gone_at" in d or "item" in d for d in await documents(server))


@pytest.mark.parametrize("command", ["update", "aggregate", "commitTransaction"])
@pytest.mark.parametrize("times", [1, 3])
async def test_a_fork_through_errors(database, command, times):
    store = MongoSessionStore(database, policy=TokenLimit(1_000))
    await store.session("a").add_items(ITEMS)
    unknown = {"code": 64, "errmsg": "waiting timed out"}
    async with failing(database, command, times=times, writeConcernError=unknown):
        twin = await store.session("a").fork("b")
    assert await twin.get_items() == ITEMS
    async with failing(database, command, times=times, closeConnection=True):
        twin = await store.session("a").fork("c")
    assert await twin.get_items() == ITEMS


async def test_a_fork_of_a_long_session_sends_no_item(database, store, sent):
    await store.session("a").add_items(ITEMS * 100)
    sent.clear()
    twin = await store.session("a").fork("b")
    assert len(sent.names) == 14
    assert not any(name in ("insert", "getMore") for name in sent.names)
    assert await twin.get_items() == ITEMS * 100
