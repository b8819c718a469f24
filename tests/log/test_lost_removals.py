"""Pops and clears whose answer is lost: the next attempt finds their outcome."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from mongo_sessions import MongoSessionStore
from mongo_sessions.log.server import retries
from mongo_sessions.log.writes.marks import Marker
from tests.conftest import open_database
from tests.support.faults import LossyProxy, failing, interrupted_clear
from tests.support.messages import ITEMS, user

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@pytest.mark.parametrize("operation", ["pop", "clear"])
@pytest.mark.parametrize("arrives", ["before the next attempt", "after the next attempt"])
async def test_a_delayed_attempt_is_refused_by_the_server(
    driver, replica_set, operation, arrives, monkeypatch
):
    """The attempt is held back until the session has looked for its outcome."""
    monkeypatch.setattr(retries.Backoff.__init__, "__defaults__", (0.5,))
    attempt = Marker._find_and_change
    attempts = 0
    answers = []

    async def next_attempt(self: Marker, *arguments: Any) -> Any:
        nonlocal attempts
        attempts += 1
        if arrives.startswith("before") and attempts == 2:
            answers.append(await asyncio.to_thread(lossy.let_it_arrive))
        return await attempt(self, *arguments)

    monkeypatch.setattr(Marker, "_find_and_change", next_attempt)
    with LossyProxy(urlsplit(replica_set).port) as lossy:
        async with open_database(driver, f"{lossy.uri}&retryWrites=true") as database:
            session, other = (MongoSessionStore(database).session("a") for _ in range(2))
            await session.add_items(ITEMS)
            lossy.hold_back("findAndModify")
            if operation == "pop":
                assert await session.pop_item() == ITEMS[5]
            else:
                await session.clear_session()
            await other.add_items([user("new")])
            if arrives.startswith("after"):
                answers.append(lossy.let_it_arrive())
            left = ITEMS[:5] if operation == "pop" else []
            assert await other.get_items() == [*left, user("new")]
            assert attempts == 2
            assert b"TransactionTooOld" in answers[0]


# The server applies the write, and the driver does not retry it.
NOT_SAID_BY_A_MAJORITY = {"writeConcernError": {"code": 64, "errmsg": "waiting timed out"}}


async def test_lookups_after_a_write_error_use_read_concern_majority(database, store, sent):
    """Otherwise a rollback would leave a gap, or remove an outcome that was already reported."""
    session = store.session("a")
    await session.add_items(ITEMS)
    sent.clear()
    await store.session("a").add_items(ITEMS[:1])
    assert len(await session.get_items()) == 7
    async with failing(database, "insert", **NOT_SAID_BY_A_MAJORITY):
        await session.add_items(ITEMS[:1])
    assert len([entry async for entry in session.entries()]) == 8
    async with failing(database, "findAndModify", **NOT_SAID_BY_A_MAJORITY):
        await session.pop_item()
    async with failing(database, "findAndModify", **NOT_SAID_BY_A_MAJORITY):
        await session.clear_session()
    finds = [event.command for event in sent.started_events if event.command_name == "find"]
    looked_for = {field for find in finds for field in find["filter"]}
    assert looked_for >= {"_id", "popped.token", "barrier"}, "each look took place"
    assert {find["readConcern"].get("level") for find in finds} == {"majority"}


@pytest.fixture
def before_the_next_attempt(monkeypatch) -> Callable[[Callable[[], Awaitable[Any]]], None]:
    """Run a function once between a failed attempt and the next one."""
    pause = retries.Backoff.pause_after
    waiting: list[Callable[[], Awaitable[Any]]] = []

    async def pause_after(backoff: Any, error: Any) -> None:
        while waiting:
            await waiting.pop()()
        await pause(backoff, error)

    monkeypatch.setattr(retries.Backoff, "pause_after", pause_after)
    return waiting.append


@pytest.mark.parametrize("is_finished", [True, False])
async def test_a_pop_finds_its_item_under_the_barrier_of_another_worker(
    lossy_pair, before_the_next_attempt, is_finished
):
    """The answer is lost; another worker clears (or fails after its barrier) and adds an item."""
    lossy, store, other, database = lossy_pair
    session = store.session("a")
    await session.add_items(ITEMS)

    async def clear_and_add() -> None:
        if is_finished:
            await other.session("a").clear_session()
        else:
            await interrupted_clear(database, other.session("a"))
        await other.session("a").add_items([user("new")])

    before_the_next_attempt(clear_and_add)
    lossy.lose_answers_to("findAndModify")
    assert await session.pop_item() == ITEMS[5]
    assert lossy.lost == 1
    assert await other.session("a").get_items() == [user("new")]


async def test_a_clear_finds_its_barrier_below_a_newer_barrier(lossy_pair, before_the_next_attempt):
    """The answer is lost; another worker adds an item, clears, and adds a second one."""
    lossy, store, other, _ = lossy_pair
    session = store.session("a")
    await session.add_items(ITEMS)

    async def clear_and_add() -> None:
        await other.session("a").add_items([user("cleared")])
        await other.session("a").clear_session()
        await other.session("a").add_items([user("new")])

    before_the_next_attempt(clear_and_add)
    lossy.lose_answers_to("findAndModify")
    await session.clear_session()
    assert lossy.lost == 1
    assert await other.session("a").get_items() == [user("new")]


async def test_a_clear_finds_its_barrier_after_a_pop_on_it(lossy_pair, before_the_next_attempt):
    """The answer is lost; another worker pops from the empty session, and adds an item."""
    lossy, store, other, _ = lossy_pair
    session = store.session("a")
    await session.add_items(ITEMS)

    async def pop_and_add() -> None:
        assert await other.session("a").pop_item() is None
        await other.session("a").add_items([user("new")])

    before_the_next_attempt(pop_and_add)
    lossy.lose_answers_to("findAndModify")
    await session.clear_session()
    assert lossy.lost == 1
    assert await other.session("a").get_items() == [user("new")]
