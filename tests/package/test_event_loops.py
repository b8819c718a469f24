"""One store, several event loops."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading

import pytest
from pymongo.errors import InvalidOperation, OperationFailure

from mongo_sessions import (
    MongoSession,
    MongoSessionStore,
    StoreClosed,
    SummarizeOlder,
    TokenLimit,
    WrongEventLoop,
)
from mongo_sessions.log.indexes.indexes import Indexes
from mongo_sessions.log.server.deployment import Deployment
from tests.conftest import open_database
from tests.support.scribes import Scribe

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
def store(driver, replica_set, request):
    collection = request.node.name[:50]
    store = MongoSessionStore.from_uri(
        replica_set, "test_loops", driver=driver, collection=collection
    )
    yield store

    async def clean_up():
        async with store:
            await store._connections.current().database.drop_collection(collection)

    asyncio.run(clean_up())


def test_asyncio_run_again_and_again(store):
    session = store.session("a")
    for _ in range(3):
        asyncio.run(session.add_items([USER]))
    assert asyncio.run(session.get_items()) == [USER] * 3


@pytest.mark.parametrize(
    "policy", [TokenLimit(20), SummarizeOlder(Scribe(), max_tokens=1_000, background=False)]
)
def test_a_read_that_stops_early_leaves_no_async_generator(store, policy):
    """An event loop closes open async generators, and may have ended by then."""
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
    assert len(store._connections._by_loop) == 1


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


SCRIPT = """if True:
    import asyncio, sys, threading
    from mongo_sessions import MongoSessionStore

    store = MongoSessionStore.from_uri(sys.argv[1], "test_loops", driver=sys.argv[2])

    async def use():
        for _ in range(3):
            await store.session("script").add_items([{"role": "user", "content": "hello"}])

    for _ in range(2):
        asyncio.run(use())
        thread = threading.Thread(target=asyncio.run, args=(use(),))
        thread.start()
        thread.join()

    async def end():
        async with store:
            assert await store.delete_session("script") == 12

    asyncio.run(end())
"""


def test_a_script_with_many_loops_ends_without_a_warning(driver, replica_set):
    command = [sys.executable, "-W", "error", "-c", SCRIPT, replica_set, driver]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stderr == ""


def test_an_open_store_ends_with_its_loops(driver, replica_set):
    """PyMongo warns of an open client that is collected."""
    store = MongoSessionStore.from_uri(replica_set, "test_loops", driver=driver)
    assert asyncio.run(store.ping())
    client = store._connections._by_loop.popitem()[1].client
    if driver == "motor":
        asyncio.run(client.close())
    del store, client
    gc.collect()


async def test_closing_closes_the_clients_of_loops_in_other_threads(driver, replica_set):
    store = MongoSessionStore.from_uri(replica_set, "test_loops", driver=driver)
    used, closed = threading.Event(), threading.Event()

    async def use() -> None:
        assert await store.ping()
        client = store._connections.current().database.client
        used.set()
        await asyncio.to_thread(closed.wait)
        with pytest.raises(InvalidOperation):
            await client.admin.command("ping")

    using = asyncio.ensure_future(asyncio.to_thread(run_in_thread, use))
    await asyncio.to_thread(used.wait)
    await store.close()
    closed.set()
    await using


def test_a_closed_store_refuses_in_every_loop(replica_set, driver):
    store = MongoSessionStore.from_uri(replica_set, "test_loops", driver=driver)
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


async def test_a_session_with_its_own_client_for_scripts(replica_set, driver):
    own = {"uri": replica_set, "database": "test_loops", "driver": driver}
    async with MongoSession.from_uri("a", **own) as session:
        await session.add_items([USER])
        assert await session.get_items() == [USER]
        await session.clear_session()
    with pytest.raises(StoreClosed, match="is closed"):
        await session.get_items()


async def test_closing_a_session_of_a_store_leaves_the_store_open(store):
    async with store.session("a") as session:
        await session.add_items([USER])
    assert await store.session("a").get_items() == [USER]


async def test_a_cancelled_first_operation_does_not_fail_concurrent_ones(store):
    first = asyncio.ensure_future(store.session("a").get_items())
    others = [asyncio.ensure_future(store.session("a").get_items()) for _ in range(6)]
    await asyncio.sleep(0)
    first.cancel()
    others[0].cancel()
    for cancelled in (first, others[0]):
        with pytest.raises(asyncio.CancelledError):
            await cancelled
    assert await asyncio.gather(*others[1:]) == [[]] * 5


@pytest.fixture
def looks(monkeypatch) -> list[str]:
    """Which looks at the server there were: at the indexes, and at the deployment."""
    looks: list[str] = []
    ensure, of = Indexes.ensure, Deployment.of

    async def counted_ensure(self, *, create):
        looks.append("indexes")
        await ensure(self, create=create)

    async def counted_of(database):
        looks.append("deployment")
        return await of(database)

    monkeypatch.setattr(Indexes, "ensure", counted_ensure)
    monkeypatch.setattr(Deployment, "of", counted_of)
    return looks


@pytest.mark.parametrize("create_indexes", [True, False])
def test_one_loop_looks_at_the_server_and_the_next_ones_do_not(
    driver, replica_set, looks, create_indexes
):
    """A serverless handler has an event loop per call."""
    uri = replica_set, "test_loops_looks"
    first = MongoSessionStore.from_uri(*uri, driver=driver)

    async def end() -> None:
        async with first:
            await first.ensure_indexes()

    asyncio.run(end())
    looks.clear()
    store = MongoSessionStore.from_uri(*uri, driver=driver, create_indexes=create_indexes)

    async def first_operations() -> None:
        await asyncio.gather(*(store.session(name).get_items() for name in "abcdef"))

    asyncio.run(first_operations())
    assert looks == ["indexes", "deployment"]
    for _ in range(2):
        asyncio.run(first_operations())
    asyncio.run(store.close())
    assert looks == ["indexes", "deployment"]


async def test_a_failed_look_is_raised_to_all_who_wait_and_tried_again(store, monkeypatch):
    attempts = 0
    ensure = Indexes.ensure

    async def fail_once(self, *, create):
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise OperationFailure("not now", 8000)
        await ensure(self, create=create)

    monkeypatch.setattr(Indexes, "ensure", fail_once)
    reading = [store.session("a").get_items() for _ in range(5)]
    outcomes = await asyncio.gather(*reading, return_exceptions=True)
    assert [getattr(outcome, "code", None) for outcome in outcomes] == [8000] * 5
    assert await store.session("a").get_items() == []
    assert attempts == 2


@pytest.fixture
def hangs(monkeypatch) -> threading.Event:
    """Set when the first look at the indexes has begun, which does not end."""
    hangs = threading.Event()
    ensure = Indexes.ensure

    async def hang_once(self, *, create):
        if not hangs.is_set():
            hangs.set()
            await asyncio.Event().wait()
        await ensure(self, create=create)

    monkeypatch.setattr(Indexes, "ensure", hang_once)
    return hangs


def test_a_first_operation_cancelled_by_its_loop_is_repeated_by_other_loops(store, hangs):
    """asyncio.run cancels what is left when it ends."""
    may_end = threading.Event()

    async def leave_it() -> None:
        leaving = asyncio.ensure_future(store.session("a").get_items())
        await asyncio.to_thread(may_end.wait)
        assert not leaving.done()

    thread = threading.Thread(target=asyncio.run, args=(leave_it(),))
    thread.start()
    hangs.wait()
    assert asyncio.run(store.session("a").get_items()) == []
    may_end.set()
    thread.join()
    assert asyncio.run(store.session("a").get_items()) == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_loop_closed_during_the_first_operation_does_not_block_other_loops(store, hangs):
    async def stop() -> None:
        await asyncio.to_thread(hangs.wait)
        loop.stop()

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: None)  # it complains of what it left
    abandoned = loop.create_task(store.session("a").get_items())
    stopping = loop.create_task(stop())
    loop.run_forever()
    loop.run_until_complete(loop.shutdown_asyncgens())  # or PyMongo's client would stay open
    loop.close()
    assert asyncio.run(store.session("a").get_items()) == []
    assert stopping.done()
    assert not abandoned.done()
    del abandoned, stopping
    gc.collect()  # the abandoned coroutines, under the filter above
