"""A server that is down when the application starts: a clear error, and no restart is needed."""

from __future__ import annotations

import asyncio
import logging
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from pymongo.errors import ServerSelectionTimeoutError
from pymongo.monitoring import ServerHeartbeatListener

from mongo_sessions import MongoSessionStore, ServerUnavailable
from mongo_sessions.testing import EmbeddedMongo
from tests.support.clients import open_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mongo_sessions.testing.mongod import Mongod

ITEMS = [{"role": "user", "content": f"a secret: {n}"} for n in range(3)]


class Failures(ServerHeartbeatListener):
    """Sets an event when a client has found that it cannot reach the server."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.seen = asyncio.Event()

    def started(self, event: Any) -> None:
        pass

    def succeeded(self, event: Any) -> None:
        pass

    def failed(self, event: Any) -> None:
        self._loop.call_soon_threadsafe(self.seen.set)


@pytest.fixture(params=["standalone", "replica_set"])
async def server(request) -> AsyncIterator[tuple[str, Mongod]]:
    """The URI of a server that is down, and the server."""
    is_set = request.param == "replica_set"
    own = {"enableTestCommands": 1}  # or MONGODB_URI, which we may not kill, would do
    async with (embedded := EmbeddedMongo(replica_set=is_set, parameters=own)) as uri:
        [member] = embedded.members
        await asyncio.to_thread(member.kill)
        yield uri, member


def spoken(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


async def test_the_error_is_clear_and_the_same_session_works_once_there_is_a_server(driver, server):
    uri, member = server
    async with open_client(driver, uri) as client:
        store = MongoSessionStore(client["agents"], retry_for=1)
        session = store.session("a")

        async def read_all() -> list:
            return [entry async for entry in session.entries()]

        for use in (
            session.get_items,
            lambda: session.add_items(ITEMS),
            session.pop_item,
            session.clear_session,
            read_all,
            store.list_sessions,
            store.ensure_indexes,
        ):
            with pytest.raises(ServerUnavailable) as raised:
                await use()
            message = str(raised.value)
            assert message.startswith("no MongoDB server was reached in ")
            assert f" s: {member.address}: [Errno " in message
            assert "IP access list" in message
            assert isinstance(raised.value.__cause__, ServerSelectionTimeoutError)
            assert len(spoken(raised.value).splitlines()) < 20
            assert "secret" not in spoken(raised.value)
        assert not await store.ping(timeout=0.1)
        check = await store.check(timeout=2)
        assert not check.ok
        assert check.reason.startswith("no MongoDB server was reached in ")
        member.start()
        await client.admin.command("ping")  # waits for it, by the driver's own patience
        await session.add_items(ITEMS)
        assert await session.get_items() == ITEMS


async def test_a_server_selection_timeout_of_the_client_is_heeded(driver, server, caplog):
    """Or it would be tried again for all of ``retry_for``, and that be logged."""
    uri, member = server
    as_ann = {"username": "ann", "password": "hunter2"}
    async with open_client(driver, uri, serverSelectionTimeoutMS=200, **as_ann) as client:
        session = MongoSessionStore(client["agents"]).session("a")
        for use in (session.get_items, lambda: session.add_items(ITEMS)):
            with pytest.raises(ServerUnavailable, match=member.address) as raised:
                await use()
            assert "hunter2" not in spoken(raised.value)
    assert caplog.messages == []


async def test_a_pop_looks_for_a_server_as_every_operation_does(driver, warned, caplog):
    """One try of it may remove an item, so it is not just tried again."""
    own = {"enableTestCommands": 1}
    async with (embedded := EmbeddedMongo(parameters=own)) as uri:
        [member] = embedded.members
        failures = Failures()
        async with open_client(driver, uri, event_listeners=[failures]) as client:
            session = MongoSessionStore(client["agents"]).session("a")
            await session.add_items(ITEMS)
            await asyncio.to_thread(member.kill)
            await failures.seen.wait()
            popping = asyncio.ensure_future(session.pop_item())
            warning = asyncio.ensure_future(warned.wait())
            done, _ = await asyncio.wait({popping, warning}, return_when=asyncio.FIRST_COMPLETED)
            assert done == {warning}
            member.start()
            assert await popping == ITEMS[-1]
            assert await session.get_items() == ITEMS[:-1]
    assert len(caplog.messages) == 1


class Warnings(logging.Handler):
    """Sets an event at the first warning."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.first = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.first.set()


@pytest.fixture
async def warned() -> AsyncIterator[asyncio.Event]:
    logger, handler = logging.getLogger("mongo_sessions"), Warnings()
    logger.addHandler(handler)
    yield handler.first
    logger.removeHandler(handler)


async def test_what_to_look_at_is_told_once_while_operations_wait(driver, server, warned, caplog):
    uri, member = server
    failures = Failures()
    async with open_client(driver, uri, event_listeners=[failures]) as client:
        store = MongoSessionStore(client["agents"])
        for outage in (1, 2):
            using = [asyncio.ensure_future(store.session(f"{n}").get_items()) for n in range(5)]
            await warned.wait()
            assert not any(use.done() for use in using)
            member.start()
            assert await asyncio.gather(*using) == [[]] * 5
            assert len(caplog.messages) == outage
            assert member.address in caplog.messages[-1]
            assert "IP access list" in caplog.messages[-1]
            if outage == 1:
                warned.clear()
                failures.seen.clear()
                await asyncio.to_thread(member.kill)
                await failures.seen.wait()


@pytest.mark.parametrize("size", [0, 1, 3])
async def test_an_operation_waits_for_a_server_that_comes_up_in_time(driver, server, size):
    uri, member = server
    failures = Failures()
    async with open_client(driver, uri, event_listeners=[failures]) as client:
        session = MongoSessionStore(client["agents"]).session("a")
        use = session.add_items(ITEMS[:size]) if size else session.get_items()
        using = asyncio.ensure_future(use)
        await failures.seen.wait()
        assert not using.done()
        member.start()
        await using
        assert await session.get_items() == ITEMS[:size]


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_check_of_a_server_that_stands_still_ends_in_time(driver, server, is_known):
    """Its connections stay open. The driver's own patience would be a test of 30 seconds."""
    uri, member = server
    member.start()
    async with open_client(driver, uri) as client, open_client(driver, uri) as another:
        await another.admin.command("ping")  # waits for it
        store = MongoSessionStore(client["agents"])
        if is_known:
            assert await store.check()
        member.pause()
        try:
            check = await store.check(timeout=0.5)
            assert not check.ok
            assert check.reason
            assert not await store.ping(timeout=0.5)
        finally:
            member.resume()
        assert await store.check(timeout=30)
