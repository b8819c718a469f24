"""A server that is down when the application starts: a clear error, and no restart is needed."""

from __future__ import annotations

import asyncio
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from pymongo.errors import ServerSelectionTimeoutError
from pymongo.monitoring import ServerHeartbeatListener

from mongo_sessions import MongoSessionStore
from mongo_sessions.testing import EmbeddedMongo

from .clients import open_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mongo_sessions.mongod import Mongod

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


async def test_the_error_is_clear_and_the_same_session_works_once_there_is_a_server(driver, server):
    uri, member = server
    async with open_client(driver, uri) as client:
        store = MongoSessionStore(client["agents"], retry_for=1)
        session = store.session("a")
        for use in (session.get_items, lambda: session.add_items(ITEMS), store.list_sessions):
            with pytest.raises(ServerSelectionTimeoutError) as raised:
                await use()
            assert str(raised.value).startswith(f"{member.address}: [Errno ")
            assert "secret" not in "".join(traceback.format_exception(raised.value))
        assert not await store.ping()
        member.start()
        await client.admin.command("ping")  # waits for it, by the driver's own patience
        await session.add_items(ITEMS)
        assert await session.get_items() == ITEMS


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
