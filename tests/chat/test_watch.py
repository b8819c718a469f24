"""Watches: each new entry once and in order, with a change stream and without."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pymongo.errors import OperationFailure

from mongo_sessions import MongoSession, MongoSessionStore, StoreClosed
from mongo_sessions.connection import wake_ups as wake_ups_module
from mongo_sessions.log.reads import following
from tests.conftest import open_database
from tests.support.faults import failing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.faults import Commands

_PATIENCE_SECONDS = 10


def user(n: object) -> Any:
    return {"role": "user", "content": str(n)}


class Watcher:
    """A consumer in a task of its own, until :meth:`stop`."""

    def __init__(self, session: MongoSession, after_seq: int = 0) -> None:
        self.seen: list[tuple[int, str]] = []
        self._more = asyncio.Event()
        self.task = asyncio.create_task(self._consume(session, after_seq))

    async def _consume(self, session: MongoSession, after_seq: int) -> None:
        async for entry in session.watch(after_seq):
            self.seen.append((entry.seq, entry.item["content"]))
            self._more.set()

    async def until(self, number: int) -> list[tuple[int, str]]:
        """What was seen, once it is ``number`` entries."""
        while len(self.seen) < number:
            self._more.clear()
            await asyncio.wait_for(self._more.wait(), _PATIENCE_SECONDS)
        return self.seen

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})


def numbered(*texts: object, first: int = 1) -> list[tuple[int, str]]:
    return [(seq, str(text)) for seq, text in enumerate(texts, first)]


async def until_streaming(store: MongoSessionStore) -> None:
    """Until the change stream is open, so that nothing but the stream wakes a watcher."""

    async def look() -> None:
        while not store._connections.current().wake_ups.is_streaming:  # noqa: ASYNC110 - short
            await asyncio.sleep(0.01)

    await asyncio.wait_for(look(), _PATIENCE_SECONDS)


@asynccontextmanager
async def watching(session: MongoSession, after_seq: int = 0) -> AsyncIterator[Watcher]:
    watcher = Watcher(session, after_seq)
    try:
        yield watcher
    finally:
        await watcher.stop()


async def test_what_is_there_comes_first_and_then_what_is_added(any_database):
    store, other = MongoSessionStore(any_database), MongoSessionStore(any_database)
    session = other.session("a")
    await session.add_items([user(n) for n in range(250)])  # more than a chunk
    async with watching(store.session("a"), 100) as late, watching(store.session("a")) as watcher:
        assert await watcher.until(250) == numbered(*range(250))
        await session.add_items([user("x"), user("y")])
        await other.session("b").add_items([user("of b")])
        await session.pop_item()
        await session.add_items([user("z")])
        for one, before in ((watcher, 250), (late, 150)):
            seen = (await one.until(before + 2))[before:]
            if seen[-1] == (252, "y"):  # it was faster than the pop
                seen = (await one.until(before + 3))[before:]
            assert (seen[0], seen[-1]) == ((251, "x"), (253, "z"))
        assert late.seen[:150] == watcher.seen[100:250]
    await store.close()


async def test_one_stream_wakes_every_watcher_and_none_reads_without_need(store, sent: Commands):
    sessions = [store.session(name) for name in "aabc"]
    watchers = [Watcher(session) for session in sessions]
    await store.session("a").add_items([user("first")])
    await watchers[1].until(1)
    await until_streaming(store)
    await store.session("c").add_items([user("of c")])
    await watchers[3].until(1)
    sent.clear()
    await store.session("a").add_items([user("second")])
    for watcher in watchers[:2]:
        assert await watcher.until(2) == numbered("first", "second")
    reads = [event.command for event in sent.started_events if event.command_name == "find"]
    assert "b" not in {find["filter"]["session_id"] for find in reads}
    assert sent.names.count("aggregate") == 0
    assert watchers[2].seen == []
    await store.close()
    await asyncio.wait([watcher.task for watcher in watchers])


async def test_an_item_that_is_added_while_the_stream_opens_is_not_missed(
    database, store, monkeypatch
):
    opening, may_open = asyncio.Event(), asyncio.Event()
    inserts = following.Following.inserts

    async def late(self: Any) -> Any:
        opening.set()
        await may_open.wait()
        return await inserts(self)

    monkeypatch.setattr(following.Following, "inserts", late)
    monkeypatch.setattr(wake_ups_module, "POLL_SECONDS", 600)
    async with watching(store.session("a")) as watcher:
        await opening.wait()
        await store.session("a").add_items([user("early")])
        may_open.set()
        assert await watcher.until(1) == numbered("early")
    await store.close()


async def test_without_the_right_to_streams_a_watch_polls_and_takes_the_stream_later(
    database, store, caplog
):
    session = store.session("a")
    await session.add_items([user(0)])
    async with (
        failing(database, "aggregate", times="alwaysOn", errorCode=13),
        watching(store.session("a")) as watcher,
    ):
        for n in range(1, 3):
            await watcher.until(n)
            await session.add_items([user(n)])
        assert await watcher.until(3) == numbered(0, 1, 2)
        await failing_off(database)
        await until_streaming(store)
        await session.add_items([user(3)])
        assert await watcher.until(4) == numbered(0, 1, 2, 3)
    await store.close()
    [warning] = [one.getMessage() for one in caplog.records if "change stream" in one.message]
    assert "OperationFailure, code 13" in warning


async def failing_off(database: Any) -> None:
    await database.client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})


async def test_a_stream_whose_cursor_is_killed_or_whose_history_is_lost_misses_nothing(
    database, store
):
    """The driver resumes after some errors, and gives up after others."""
    session = store.session("a")
    async with watching(store.session("a")) as watcher:
        for n, code in enumerate([43, 237, 286, 11601, 280]):
            await until_streaming(store)
            async with failing(database, "getMore", times=1, errorCode=code):
                await session.add_items([user(n)])
                assert (await watcher.until(n + 1))[-1] == (n + 1, str(n))
    await store.close()


async def test_a_server_that_gives_no_answer_to_the_stream_does_not_silence_the_watchers(
    database, store, monkeypatch
):
    monkeypatch.setattr(wake_ups_module, "_SILENCE_SECONDS", 0.1)
    session = store.session("a")
    async with watching(store.session("a")) as watcher:
        await until_streaming(store)
        how = {"blockConnection": True, "blockTimeMS": 4_000}
        async with failing(database, "getMore", times=1, **how):
            await session.add_items([user(0)])
            await watcher.until(1)
            await session.add_items([user(1)])
            assert await watcher.until(2) == numbered(0, 1)
    await store.close()


async def test_a_slow_consumer_costs_no_memory_and_misses_nothing(store):
    session = store.session("a")
    async with aclosing(session.watch()) as entries:
        await session.add_items([user(0)])
        first = await anext(entries)
        for n in range(1, 350):
            await session.add_items([user(n)])
        hub = store._connections.current().wake_ups
        assert len(hub._all()) == 1, "one signal, however many items"
        rest = [await anext(entries) for _ in range(349)]
    assert [entry.seq for entry in [first, *rest]] == list(range(1, 351))
    await store.close()


async def open_cursors(database: Any) -> int:
    status = await database.client.admin.command("serverStatus")
    return status["metrics"]["cursor"]["open"]["total"]


@pytest.mark.parametrize("how", ["cancelled", "closed", "broken"])
async def test_the_end_of_the_last_watch_leaves_no_task_and_no_cursor(driver, replica_set, how):
    async with open_database(driver, replica_set) as database:
        cursors = await open_cursors(database)
        before = asyncio.all_tasks()
        store = MongoSessionStore(database)
        await store.session("a").add_items([user(0)])
        watchers = [Watcher(store.session("a")) for _ in range(3)]
        for watcher in watchers:
            await watcher.until(1)
        await until_streaming(store)
        hub = store._connections.current().wake_ups
        serving = hub._task
        assert serving is not None
        if how == "cancelled":
            for watcher in watchers:
                await watcher.stop()
        elif how == "closed":
            await store.close()
            await asyncio.wait([watcher.task for watcher in watchers])
            assert [watcher.task.exception() for watcher in watchers] == [None] * 3
        else:
            async for _ in store.session("a").watch():
                break
            for watcher in watchers:
                await watcher.stop()
        await asyncio.wait({serving}, timeout=_PATIENCE_SECONDS)
        assert hub._all() == []
        assert hub._task is None
        assert await open_cursors(database) <= cursors
        # The monitors of PyMongo's client are tasks, and may have begun with the first command.
        ours = [t for t in asyncio.all_tasks() - before if "mongo_sessions" in str(t.get_coro())]
        assert ours == []


async def test_a_watch_begins_again_after_the_last_one_has_ended(store):
    for n in range(2):
        await store.session("a").add_items([user(n)])
        async with watching(store.session("a")) as watcher:
            await watcher.until(n + 1)
            await until_streaming(store)
            await store.session("a").add_items([user("live")])
            await watcher.until(n + 2)
            await store.session("a").pop_item()
    await store.close()
    with pytest.raises(StoreClosed):
        await anext(store.session("a").watch())


async def test_an_error_of_the_read_reaches_the_consumer(database, store):
    await store.session("a").add_items([user(0)])
    async with failing(database, "find", times=1, errorCode=13):
        with pytest.raises(OperationFailure):
            await anext(store.session("a").watch())
    await store.close()


@pytest.mark.parametrize("popped", [1, 3])
async def test_places_that_are_taken_anew_are_told_once(database, store, monkeypatch, popped):
    """The server deletes a mark after an hour: here at once, so a new item is hardly younger."""
    monkeypatch.setattr(following, "_YOUNGER", timedelta(0))
    session = store.session("a")
    await session.add_items([user(n) for n in range(3)])
    async with watching(store.session("a")) as watcher:
        await watcher.until(3)
        await until_streaming(store)
        for _ in range(popped):
            await session.pop_item()
        await database["session_items"].delete_many({"gone_at": {"$exists": True}})
        session = store.session("a")  # remembers no place
        await session.add_items([user("anew")])
        await session.add_items([user("again")])
        first = 4 - popped
        expected = [*numbered(0, 1, 2), *numbered("anew", "again", first=first)]
        assert await watcher.until(5) == expected
    await store.close()


@pytest.mark.parametrize(("after_seq", "message"), [(-1, "at least 0, got -1"), (2**63, "at most")])
async def test_arguments_are_checked_at_once(store, after_seq, message):
    with pytest.raises(ValueError, match=message):
        store.session("a").watch(after_seq)
