"""Transient errors: no item is lost or doubled, and only permanent errors reach the caller."""

from __future__ import annotations

import asyncio
import traceback
from urllib.parse import urlsplit

import pytest
from mongomock_motor import AsyncMongoMockClient
from pymongo import _csot
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    NetworkTimeout,
    OperationFailure,
    WriteError,
)

from mongo_sessions import MongoSessionStore, ServerUnavailable
from mongo_sessions.log.server.retries import Backoff, retrying
from mongo_sessions.log.server.server import Server
from mongo_sessions.log.writes import clear
from mongo_sessions.testing import EmbeddedMongo
from tests.conftest import open_database
from tests.support.clients import open_client
from tests.support.faults import Commands, LossyProxy, failing

ITEMS = [{"role": "user", "content": str(n)} for n in range(4)]


@pytest.fixture(params=["retryWrites=true", "retryWrites=false"])
async def database(driver, replica_set, request):
    async with open_database(driver, f"{replica_set}&{request.param}") as database:
        yield database


@pytest.fixture
async def session(store):
    session = store.session("a")
    await session.add_items(ITEMS[:1])
    return session


async def numbers(session) -> list:
    return [(entry.seq, entry.item["content"]) async for entry in session.entries()]


HANGING_UP = {"closeConnection": True}
NOT_PRIMARY = {"errorCode": 10107}
NOT_SAID_BY_A_MAJORITY = {"writeConcernError": {"code": 64, "errmsg": "waiting timed out"}}


@pytest.mark.parametrize("fault", [HANGING_UP, NOT_PRIMARY, NOT_SAID_BY_A_MAJORITY])
@pytest.mark.parametrize("times", [1, 2])
async def test_one_item_is_added_once(database, session, fault, times):
    async with failing(database, "insert", times=times, **fault):
        await session.add_items(ITEMS[1:2])
    assert await numbers(session) == [(1, "0"), (2, "1")]


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("insert", HANGING_UP),
        ("insert", NOT_PRIMARY),
        ("insert", {"errorCode": 290}),
        ("commitTransaction", {"errorCode": 290}),
        ("commitTransaction", HANGING_UP),
        ("commitTransaction", NOT_PRIMARY),
        ("commitTransaction", NOT_SAID_BY_A_MAJORITY),
    ],
)
@pytest.mark.parametrize("times", [1, 2])
async def test_a_batch_is_added_once(database, session, command, fault, times):
    async with failing(database, command, times=times, **fault):
        await session.add_items(ITEMS[1:])
    assert await numbers(session) == [(1, "0"), (2, "1"), (3, "2"), (4, "3")]


UNDONE = [
    {"errorCode": 112},  # WriteConflict
    {"errorCode": 251, "errorLabels": ["TransientTransactionError"]},
]


@pytest.mark.parametrize("fault", UNDONE)
@pytest.mark.parametrize("times", [1, 2])
async def test_a_command_that_the_server_aborted_is_retried(database, store, fault, times):
    """Outside of a transaction the server itself tries again, and gives up after some time."""
    session = store.session("a")
    for command in ("find", "insert", "findAndModify", "update", "aggregate"):
        await session.add_items(ITEMS)
        async with failing(database, command, times=times, **fault):
            assert await session.get_items() == ITEMS
            await session.add_items(ITEMS[:1])
            await session.add_items(ITEMS[1:])
            assert await session.pop_item() == ITEMS[3]
            assert [info.items for info in await store.list_sessions()] == [7]
            assert await store.delete_session("a") == 7
            assert await session.get_items() == []


REMOVING = ("find", "findAndModify", "update")


@pytest.mark.parametrize("times", [1, 2, 4])
async def test_reads_and_clears_go_on(database, session, times):
    async with failing(database, *REMOVING, times=times, **HANGING_UP):
        assert await session.get_items() == ITEMS[:1]
        await session.clear_session()
    assert await numbers(session) == []


async def test_the_first_operation_waits_for_the_server(database):
    session = MongoSessionStore(database).session("a")
    async with failing(database, "listIndexes", "createIndexes", "hello", times=4, **NOT_PRIMARY):
        await session.add_items(ITEMS)
    assert await session.get_items() == ITEMS


@pytest.mark.parametrize("size", [1, 3])
async def test_a_lasting_transient_error_is_raised_after_retry_for_and_writes_nothing(
    database, size
):
    session = MongoSessionStore(database, retry_for=0.3).session("a")
    assert await session.get_items() == []
    async with failing(database, "insert", times="alwaysOn", **HANGING_UP):
        with pytest.raises((ConnectionFailure, ServerUnavailable)):
            # Not TimeoutError: retry_for is what ends it.
            await asyncio.wait_for(session.add_items(ITEMS[:size]), timeout=20)
    assert await session.get_items() == []
    await session.add_items(ITEMS)
    assert await session.get_items() == ITEMS


async def test_a_permanent_error_is_raised_unchanged(database, session):
    async with failing(database, "insert", times="alwaysOn", errorCode=13):
        with pytest.raises(OperationFailure) as raised:
            await session.add_items(ITEMS[1:2])
    assert raised.value.code == 13
    assert await numbers(session) == [(1, "0")]


SECRET = {"role": "user", "content": "a secret"}


@pytest.mark.parametrize("batch", [[SECRET], [ITEMS[1], SECRET]])
async def test_an_error_does_not_tell_the_conversation(database, session, batch):
    validator = {"item.content": {"$ne": SECRET["content"]}}
    await database.command("collMod", "session_items", validator=validator)
    with pytest.raises((WriteError, BulkWriteError)) as raised:
        await session.add_items(batch)
    details = raised.value.details
    assert details.get("writeErrors", [details])[0]["code"] == 121
    assert "secret" not in str(details)
    assert "secret" not in "".join(traceback.format_exception(raised.value))
    assert await numbers(session) == [(1, "0")]


@pytest.fixture
def lossy(replica_set):
    with LossyProxy(urlsplit(replica_set).port) as proxy:
        yield proxy


@pytest.fixture(params=["retryWrites=true", "retryWrites=false"])
async def lossy_store(driver, lossy, request):
    async with open_database(driver, f"{lossy.uri}&{request.param}") as database:
        yield MongoSessionStore(database)


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("lost", [1, 2])
async def test_a_lost_answer_does_not_double_a_write(lossy, lossy_store, size, lost):
    session = lossy_store.session("a")
    await session.add_items(ITEMS[:1])
    lossy.lose_answers_to(*["insert" if size == 1 else "commitTransaction"] * lost)
    await session.add_items(ITEMS[1 : 1 + size])
    assert 1 <= lossy.lost <= lost
    assert [content for _, content in await numbers(session)] == list("0123")[: 1 + size]


@pytest.mark.parametrize("size", [1, 3])
async def test_a_lost_answer_and_a_faster_writer_do_not_double_a_write(
    lossy, lossy_store, size, driver, replica_set
):
    """The answer is lost, and other workers write before the second attempt."""
    session = lossy_store.session("a")
    await session.add_items(ITEMS[:1])
    lossy.lose_answers_to(*["insert"] * 2 if size == 1 else ["commitTransaction"] * 2)
    adding = asyncio.ensure_future(session.add_items(ITEMS[1 : 1 + size]))
    await asyncio.to_thread(lossy.has_lost.wait)
    async with open_database(driver, replica_set) as database:
        same = database.client[lossy_store._connections.current().database.name]
        await MongoSessionStore(same).session("a").add_items([{"role": "user", "content": "other"}])
    await adding
    contents = [content for _, content in await numbers(session)]
    assert sorted(contents) == sorted([*"0123"[: 1 + size], "other"])


@pytest.mark.parametrize("lost", [1, 2, 3, 4])
async def test_a_lost_answer_does_not_pop_twice(lossy, lossy_store, lost):
    session = lossy_store.session("a")
    await session.add_items(ITEMS)
    lossy.lose_answers_to(*["findAndModify"] * lost)
    assert await session.pop_item() == ITEMS[3]
    assert 1 <= lossy.lost <= lost
    assert await session.get_items() == ITEMS[:3]


@pytest.mark.parametrize("lost", [1, 2, 3, 4])
async def test_a_lost_answer_does_not_clear_twice(lossy, lossy_store, lost, driver, replica_set):
    """Cleared, the answer is lost, another adds an item, and then the clear finds its barrier."""
    session = lossy_store.session("a")
    await session.add_items(ITEMS)
    lossy.lose_answers_to(*["findAndModify"] * lost)
    clearing = asyncio.ensure_future(session.clear_session())
    await asyncio.to_thread(lossy.has_lost.wait)
    async with open_database(driver, replica_set) as database:
        same = database.client[lossy_store._connections.current().database.name]
        await MongoSessionStore(same).session("a").add_items(ITEMS[:1])
    await clearing
    assert await session.get_items() == ITEMS[:1]


async def test_a_batch_whose_commit_is_uncertain_is_not_written_over_a_pop(
    database, session, monkeypatch
):
    """Committed, not known to be; popped by another; and then the commit is asked for again."""
    other = MongoSessionStore(database).session("a")
    popped = []
    pause = Backoff.pause_after

    async def pop_meanwhile(backoff, error):
        popped.append(await other.pop_item())
        await pause(backoff, error)

    monkeypatch.setattr(Backoff, "pause_after", pop_meanwhile)
    async with failing(database, "commitTransaction", **NOT_SAID_BY_A_MAJORITY):
        await session.add_items(ITEMS[1:])
    assert popped == [ITEMS[3]]
    assert await numbers(session) == [(1, "0"), (2, "1"), (3, "2")]


async def test_on_a_standalone_server_a_lost_answer_does_not_double_a_write(driver, standalone):
    with LossyProxy(urlsplit(standalone).port) as lossy:
        async with open_database(driver, lossy.uri) as database:
            session = MongoSessionStore(database).session("a")
            await session.add_items(ITEMS[:1])
            lossy.lose_answers_to("insert")
            await session.add_items(ITEMS[1:])
            assert lossy.lost == 1, "it looks first whether the batch is there"
            assert await session.get_items() == ITEMS


@pytest.mark.parametrize("size", [1, 3])
async def test_a_cancelled_append_settles_first(driver, replica_set, size):
    sent = Commands()
    async with open_database(driver, replica_set, event_listeners=[sent]) as database:
        session = MongoSessionStore(database).session("a")
        await session.add_items(ITEMS[:1])
        sending = sent.expect("insert")
        async with failing(database, "insert", blockConnection=True, blockTimeMS=150):
            adding = asyncio.ensure_future(session.add_items(ITEMS[1 : 1 + size]))
            await sending.wait()
            adding.cancel()
            with pytest.raises(asyncio.CancelledError):
                await adding
            # Before the fault point is turned off, which waits for the command: it is there now.
            assert await database["session_items"].count_documents({}) == 1 + size


async def test_a_cancelled_append_that_fails_raises_the_cancellation(driver, replica_set):
    sent = Commands()
    async with open_database(driver, replica_set, event_listeners=[sent]) as database:
        session = MongoSessionStore(database).session("a")
        await session.add_items(ITEMS[:1])
        sending = sent.expect("insert")
        how = {"errorCode": 13, "blockConnection": True, "blockTimeMS": 150}
        async with failing(database, "insert", **how):
            adding = asyncio.ensure_future(session.add_items(ITEMS[1:2]))
            await sending.wait()
            adding.cancel()
            with pytest.raises(asyncio.CancelledError):
                await adding
        assert await numbers(session) == [(1, "0")]


async def test_without_a_server_the_error_is_clear_and_the_store_works_later(driver, replica_set):
    host = urlsplit(replica_set)
    quick = "&serverSelectionTimeoutMS=200"
    async with open_database(driver, replica_set + quick) as database:
        async with failing(database, "createIndexes", times="alwaysOn", **HANGING_UP):
            store = MongoSessionStore(database, retry_for=0.3)
            with pytest.raises((ConnectionFailure, ServerUnavailable), match=str(host.port)):
                await store.session("a").add_items(ITEMS)
        await store.session("a").add_items(ITEMS)
        assert await store.session("a").get_items() == ITEMS


async def test_a_frozen_primary_does_not_block_operations():
    """Its connections stay open: the driver alone would wait for 30 seconds, all that there are."""
    server = EmbeddedMongo(members=3)
    async with (
        server as uri,
        open_database("motor", uri) as one,
        open_client("pymongo", uri) as two,
    ):
        stores = [MongoSessionStore(one), MongoSessionStore(two.get_database(one.name))]
        sessions = [store.session(f"{n}") for n, store in enumerate(stores * 2)]
        for session in sessions:
            await session.add_items(ITEMS[:1])
        primary = (await one.command("hello"))["primary"]
        (member,) = [m for m in server.members if m.address == primary]
        member.pause()
        try:
            sizes = [1, 1, 3, 3]
            adding = zip(sessions, sizes, strict=True)
            await asyncio.gather(*(s.add_items(ITEMS[1 : 1 + size]) for s, size in adding))
            for session, size in zip(sessions, sizes, strict=True):
                assert await session.get_items() == ITEMS[: 1 + size]
        finally:
            member.resume()


async def test_a_timed_out_attempt_is_followed_by_one_with_twice_the_time():
    async def slow() -> str:
        allowed.append(_csot.remaining())
        if len(allowed) < 3:
            raise NetworkTimeout("slow")
        return "done"

    allowed: list[float] = []
    server = Server(AsyncMongoMockClient())
    assert await retrying(slow, 100, server=server, attempt_seconds=10) == "done"
    assert [round(seconds) for seconds in allowed] == [10, 20, 40]


async def test_a_clear_that_fails_after_its_barrier_hides_all_items_and_is_completed_by_a_reader(
    database, monkeypatch
):
    monkeypatch.setattr(clear, "_SLICE", 10)
    items = [{"role": "user", "content": str(n)} for n in range(35)]
    store = MongoSessionStore(database, retry_for=0.3)
    session = store.session("a")
    await session.add_items(items)
    with_item = {"item": {"$exists": True}}
    async with failing(database, "update", times="alwaysOn", errorCode=13):
        with pytest.raises(OperationFailure):
            await session.clear_session()
        assert await database["session_items"].count_documents(with_item) == 34
        assert await store.list_sessions() == []
        assert [entry async for entry in store.session("a").entries()] == []
        assert await store.session("a").pop_item() is None
        assert await store.session("a").get_items() == []
        assert await store.session("a").get_items(limit=5) == []
        await store._connections.current().cleaning.finish()
    await store.session("a").add_items(items[:2])
    assert await MongoSessionStore(database).session("a").get_items() == items[:2]
    assert await store.session("a").get_items() == items[:2]
    await store._connections.current().cleaning.finish()
    assert await database["session_items"].count_documents(with_item) == 2
    assert (await database["session_items"].count_documents({"gone_at": {"$exists": True}})) == 35
    assert await store.session("a").get_items() == items[:2]


@pytest.mark.parametrize("number", [0, 1, 9, 10, 11, 20, 35])
async def test_a_clear_returns_the_number_of_removed_items(database, number, monkeypatch):
    monkeypatch.setattr(clear, "_SLICE", 10)
    store = MongoSessionStore(database)
    items = [{"role": "user", "content": str(n)} for n in range(number + 1)]
    for _ in range(2):
        session = store.session("a")
        await session.add_items(items)
        await session.pop_item()
        assert await store.delete_session("a") == number
        assert await store.session("a").get_items() == []
    assert await store.delete_session("a") == 0
    assert await database["session_items"].count_documents({"gone_at": {"$exists": False}}) == 0
