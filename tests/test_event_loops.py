"""One store, several event loops."""

from __future__ import annotations

import asyncio
import sys
import threading

import pytest
from pymongo.errors import InvalidURI

from mongo_sessions import (
    MongoSession,
    MongoSessionStore,
    StoreClosed,
    SummarizeOlder,
    TokenLimit,
    WrongEventLoop,
)
from mongo_sessions.once import Once

from .conftest import open_database
from .scribes import Scribe

USER = {"role": "user", "content": "hello"}


def run_in_thread(make):
    """Run a coroutine in an event loop and a thread of its own."""
    outcome: list = []

    def run() -> None:
        try:
            outcome.append(asyncio.run(make()))
        except BaseException as error:  # noqa: BLE001 - handed over
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


@pytest.fixture
def store(replica_set, request):
    store = MongoSessionStore.from_uri(replica_set, "test_loops", collection=request.node.name[:50])
    yield store

    async def clean_up():
        async with store:
            await store._storage._source.database().drop_collection(request.node.name[:50])

    asyncio.run(clean_up())


def test_asyncio_run_again_and_again(store):
    session = store.session("a")
    for _ in range(3):
        asyncio.run(session.add_items([USER]))
    assert asyncio.run(session.get_items()) == [USER] * 3


@pytest.mark.parametrize(
    "policy", [TokenLimit(20), SummarizeOlder(Scribe(), max_tokens=1_000, background=False)]
)
def test_a_read_that_stops_in_the_middle_leaves_nothing_to_be_closed(store, policy):
    """An async generator would be closed by its event loop, which may have ended by then."""
    left = []

    async def read():
        session = store.session("a", policy=policy)
        await session.add_items([USER] * 300)
        sys.set_asyncgen_hooks(firstiter=lambda generator: left.append(generator.ag_code))
        return await session.get_items()

    assert len(asyncio.run(read())) < 300
    assert [code for code in left if "mongo_sessions" in code.co_filename] == []


def test_clients_of_closed_loops_are_closed(store):
    for _ in range(5):
        asyncio.run(store.ping())
    assert len(store._storage._source._databases) == 1


def test_loops_in_many_threads_at_once(store):
    started = threading.Barrier(8)

    async def write() -> None:
        started.wait()
        for _ in range(5):
            await store.session("a").add_items([USER])

    threads = [threading.Thread(target=asyncio.run, args=(write(),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    async def seqs() -> list[int]:
        return [entry.seq async for entry in store.session("a").entries()]

    assert asyncio.run(seqs()) == list(range(1, 41))


def test_a_closed_store_refuses_in_every_loop(replica_set):
    store = MongoSessionStore.from_uri(replica_set, "test_loops")
    assert asyncio.run(store.ping())
    asyncio.run(store.close())
    with pytest.raises(StoreClosed, match="is closed"):
        asyncio.run(store.session("a").get_items())


async def test_a_given_client_is_refused_in_another_loop(driver, replica_set):
    async with open_database(driver, replica_set) as database:
        store = MongoSessionStore(database)
        await store.session("a").add_items([USER])
        with pytest.raises(WrongEventLoop, match=r"serves another event loop.*from_uri"):
            await asyncio.to_thread(run_in_thread, lambda: store.session("a").get_items())
        assert await store.session("a").get_items() == [USER]


async def test_a_session_of_its_own_for_scripts(replica_set):
    async with MongoSession.from_uri("a", uri=replica_set, database="test_loops") as session:
        await session.add_items([USER])
        assert await session.get_items() == [USER]
        await session.clear_session()
    with pytest.raises(StoreClosed, match="is closed"):
        await session.get_items()


async def test_closing_a_session_of_a_store_leaves_the_store_open(store):
    async with store.session("a") as session:
        await session.add_items([USER])
    assert await store.session("a").get_items() == [USER]


async def test_of_many_first_operations_those_that_are_cancelled_harm_nobody(store):
    first = asyncio.ensure_future(store.session("a").get_items())
    others = [asyncio.ensure_future(store.session("a").get_items()) for _ in range(6)]
    await asyncio.sleep(0)
    first.cancel()
    others[0].cancel()
    for cancelled in (first, others[0]):
        with pytest.raises(asyncio.CancelledError):
            await cancelled
    assert await asyncio.gather(*others[1:]) == [[]] * 5


def test_a_loop_that_ends_in_the_first_operation_leaves_it_to_the_others():
    """asyncio.run cancels what is left when it ends; a loop may also be stopped and closed."""
    once: Once[int] = Once()
    entered = threading.Event()

    async def never() -> int:
        entered.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def seven() -> int:
        return 7

    async def wait_for_it() -> int:
        await asyncio.to_thread(entered.wait)
        waiting = asyncio.ensure_future(once.get(seven))
        await asyncio.sleep(0)
        is_waiting.set()
        return await waiting

    is_waiting = threading.Event()
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(asyncio.run(wait_for_it())))
    thread.start()

    async def leave_it() -> None:
        leaving = asyncio.ensure_future(once.get(never))
        await asyncio.to_thread(is_waiting.wait)
        assert not leaving.done()

    asyncio.run(leave_it())
    thread.join()
    assert results == [7]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_loop_that_is_closed_in_the_first_operation_does_not_hang_the_others():
    once: Once[int] = Once()

    async def never() -> int:
        loop.stop()
        await asyncio.Event().wait()
        raise AssertionError

    async def seven() -> int:
        return 7

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: None)  # it complains of what it left
    abandoned = loop.create_task(once.get(never))
    loop.run_forever()
    loop.close()
    assert asyncio.run(once.get(seven)) == 7
    assert not abandoned.done()


@pytest.mark.parametrize("uri", ["localhost", "http://localhost", "mongodb://"])
def test_a_uri_that_is_none_is_refused_at_once(uri):
    with pytest.raises(InvalidURI):
        MongoSessionStore.from_uri(uri)


@pytest.mark.parametrize("database", [None, "agents", object()])
def test_what_is_no_database_is_refused_at_once(database):
    with pytest.raises(TypeError, match="database must be"):
        MongoSessionStore(database)
