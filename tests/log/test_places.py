"""A place is never taken twice: marks and barriers, what they hide, and how long they stay."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from pymongo.errors import OperationFailure

from mongo_sessions import MongoSessionStore, session_state
from mongo_sessions.log import clear, retries
from mongo_sessions.log.marks import Marker
from mongo_sessions.log.places import MARK_OR_BARRIER, MARK_SECONDS
from tests.conftest import open_database
from tests.support.clients import open_client
from tests.support.faults import LossyProxy, failing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def user(text: Any) -> dict:
    return {"role": "user", "content": str(text)}


ITEMS = [user(n) for n in range(6)]


async def documents(database: Any) -> list[dict]:
    return await database["session_items"].find().sort("seq", 1).to_list(None)


async def test_what_was_popped_is_out_of_item_at_once_and_has_a_date_to_go(database, store):
    session = store.session("a")
    await session.add_items(ITEMS[:2])
    history = await session._history()
    newest = await anext(aiter(history.newest_first()))
    assert await history.claim(newest, 60)
    before = await documents(database)
    await session.pop_item()
    kept, popped = await documents(database)
    assert kept == before[0]
    assert popped.keys() >= {"_id", "session_id", "seq", "turn", "created_at"}
    assert not popped.keys() & {"item", "summary", "claim"}
    assert popped["popped"]["item"] == ITEMS[1]
    server_time = (await database.command("hello"))["localTime"]
    assert abs(server_time - popped["gone_at"]) < timedelta(seconds=60)
    assert not await history.save_summary(newest, {"text": "late"})


async def test_what_was_cleared_is_out_of_the_database_but_for_its_place(database, store):
    session = store.session("a")
    await session.add_items(ITEMS)
    await session.pop_item()
    await session.clear_session()
    *below, barrier = await documents(database)
    assert "barrier" in barrier
    assert all("gone_at" in document for document in [*below, barrier])
    assert max(document["gone_at"] for document in below) <= barrier["gone_at"]
    content = {"item", "summary", "claim"}
    assert [document.keys() & content for document in below] == [set()] * 5
    assert [document["_id"] for document in await documents(database) if "popped" in document] == [
        barrier["_id"]
    ]
    before = await documents(database)
    await store.session("a").clear_session()
    assert await documents(database) == before, "its time does not begin anew"


async def let_marks_go(database: Any) -> None:
    """As the server does it an hour later."""
    await database["session_items"].delete_many({"gone_at": {"$exists": True}})


async def test_after_an_hour_nothing_is_left_and_the_id_starts_anew(database, store):
    session = store.session("a")
    await session.add_items(ITEMS)
    assert await store.delete_session("a") == 6
    await let_marks_go(database)
    assert await documents(database) == []
    await store.session("a").add_items(ITEMS[:2])
    assert [entry.seq async for entry in session.entries()] == [1, 2]


@pytest.mark.parametrize("removal", ["pop", "clear", "pop all"])
async def test_marks_that_go_change_nothing(database, store, removal):
    session = store.session("a")
    await session.add_items(ITEMS)
    if removal == "clear":
        await session.clear_session()
    else:
        for _ in range(2 if removal == "pop" else 6):
            await session.pop_item()
    await session.add_items(ITEMS[:3])
    await session.pop_item()
    expected = [*(ITEMS[:4] if removal == "pop" else []), *ITEMS[:2]]
    for _ in range(2):
        assert await store.session("a").get_items() == expected
        (info,) = await store.list_sessions()
        assert info.items == len(expected)
        total = [entry.tokens async for entry in session.entries()]
        assert info.total_tokens == sum(total)
        await let_marks_go(database)


OLD_HEADS = ["a moment", "six minutes"]


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("slept", OLD_HEADS)
@pytest.mark.parametrize("clock", [0, 1])
async def test_a_session_object_that_slept_appends_behind_what_is_there(  # noqa: PLR0917
    database, store, sent, monkeypatch, size, slept, clock
):
    """Through appends, pops and clears of others, by either clock of its machine."""
    dice = random.Random(2026)
    other = MongoSessionStore(database).session("a")
    expected: list[dict] = []
    clocks = session_state._clocks
    for n in range(12):
        sleeper = store.session("a")
        assert await sleeper.get_items() == expected
        for _ in range(dice.randrange(4)):
            match dice.choice(["append", "append", "pop", "clear"]):
                case "append":
                    await other.add_items([user(f"other {n}")])
                    expected.append(user(f"other {n}"))
                case "pop":
                    await other.pop_item()
                    expected = expected[:-1]
                case "clear":
                    await other.clear_session()
                    expected = []
        with monkeypatch.context() as patch:
            if slept == "six minutes":
                later = [seconds + 360 * (index == clock) for index, seconds in enumerate(clocks())]
                patch.setattr(session_state, "_clocks", lambda later=later: tuple(later))
            sent.clear()
            batch = [user(f"sleeper {n}.{part}") for part in range(size)]
            await sleeper.add_items(batch)
            if slept == "six minutes":
                assert sent.names[0] == "find", "it looks where the end is"
        expected += batch
        assert await other.get_items() == expected
        seqs = [entry.seq async for entry in other.entries()]
        assert seqs == sorted(set(seqs))


def test_a_head_is_remembered_for_far_less_than_a_mark_stays():
    assert session_state._HEAD_SECONDS * 10 < MARK_SECONDS
    with pytest.raises(ValueError, match="retry_for must be at most 600, got 601"):
        MongoSessionStore.from_uri("mongodb://127.0.0.1", retry_for=601)
    with pytest.raises(ValueError, match="retention must be at least an hour, got"):
        MongoSessionStore.from_uri("mongodb://127.0.0.1", retention=timedelta(seconds=3_599))
    MongoSessionStore.from_uri("mongodb://127.0.0.1", retention=timedelta(hours=1))


async def test_who_polls_misses_nothing_and_sees_each_item_once_and_in_order(database):
    """While others append, pop and clear: what survives."""
    dice = random.Random(7)
    done = asyncio.Event()
    seen: list[tuple[int, str]] = []

    async def write(writer: int) -> None:
        session = MongoSessionStore(database).session("a")
        for n in range(40):
            chance = dice.random()
            if chance < 0.25:
                await session.pop_item()
            elif chance < 0.3:
                await session.clear_session()
            else:
                names = [user(f"{writer}/{n}/{part}") for part in range(dice.choice([1, 1, 3]))]
                await session.add_items(names)

    async def poll() -> None:
        session = MongoSessionStore(database).session("a")
        last, is_last_time = 0, False
        while not is_last_time:
            is_last_time = done.is_set()
            async for entry in session.entries(after_seq=last):
                seen.append((entry.seq, entry.item["content"]))
                last = entry.seq
            await asyncio.sleep(0)

    polling = asyncio.ensure_future(poll())
    await asyncio.gather(*map(write, range(4)))
    done.set()
    await polling
    seqs = [seq for seq, _ in seen]
    assert seqs == sorted(set(seqs))
    left = MongoSessionStore(database).session("a")
    stored = [(entry.seq, entry.item["content"]) async for entry in left.entries()]
    assert stored
    assert set(stored) <= set(seen)


async def test_reading_oldest_first_goes_no_further_back_than_a_clear(database, store):
    """In a session of several chunks whose clear was interrupted."""
    session = store.session("a")
    await session.add_items([user(n) for n in range(250)])
    async with failing(database, "update", errorCode=13):
        with pytest.raises(Exception, match="failCommand"):
            await session.clear_session()
    await session.add_items(ITEMS)
    assert await database["session_items"].count_documents({"item": {"$exists": True}}) == 255
    assert [entry.item async for entry in session.entries()] == ITEMS
    assert [entry.item async for entry in session.entries(after_seq=120)] == ITEMS


async def test_what_lies_below_a_barrier_is_not_found(database, store):
    session = store.session("a")
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    await session.add_items([call, user("x")])
    history = await session._history()
    newest = await anext(aiter(history.newest_first()))
    async with failing(database, "update", errorCode=13):
        with pytest.raises(Exception, match="failCommand"):
            await session.clear_session()
    await session.add_items(ITEMS)
    assert await history.find({"c"}, 100) == []
    assert await history.latest_summary() is None
    assert not await history.save_summary(newest, {"text": "late"})


@pytest.mark.parametrize("operation", ["pop", "clear"])
@pytest.mark.parametrize("arrives", ["before the next attempt", "after the next attempt"])
async def test_an_attempt_that_arrives_late_is_refused(
    driver, replica_set, operation, arrives, monkeypatch
):
    """It was held back until the session had looked for it."""
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


async def test_a_look_for_a_popped_item_goes_through_the_recent_removals(database, store, sent):
    session = store.session("a")
    await session.add_items([user(n) for n in range(500)])
    await session.pop_item()
    (popped,) = await database["session_items"].find({"popped": {"$exists": True}}).to_list(None)
    query = {"session_id": "a", **MARK_OR_BARRIER, "popped.token": popped["popped"]["token"]}
    command = {"find": "session_items", "filter": query, "limit": 1}
    plan = await database.command({"explain": command, "verbosity": "executionStats"})
    assert plan["executionStats"]["totalDocsExamined"] == 1


async def test_time_is_read_from_both_clocks():
    monotonic, wall = session_state._clocks()
    assert monotonic <= time.monotonic()
    assert wall <= time.time()


async def test_a_summary_below_a_barrier_is_none(database, store):
    session = store.session("a")
    await session.add_items(ITEMS)
    history = await session._history()
    newest = await anext(aiter(history.newest_first()))
    assert await history.save_summary(newest, {"text": "…"})
    await session.add_items(ITEMS)
    async with failing(database, "update", errorCode=13):
        with pytest.raises(OperationFailure):
            await session.clear_session()
    stored = {"summary.text": {"$exists": True}}
    assert await database["session_items"].count_documents(stored) == 1
    assert await history.latest_summary() is None
    assert await (await session._log()).log.claims.summarised_tokens("a") == 0
    await session.add_items(ITEMS)
    assert await history.latest_summary() is None


# The write took place, and the driver does not repeat it.
NOT_SAID_BY_A_MAJORITY = {"writeConcernError": {"code": 64, "errmsg": "waiting timed out"}}


async def test_appends_pops_and_clears_rest_on_what_no_election_takes_back(database, store, sent):
    """The place of what is rolled back would be left out, and what was found would be gone."""
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


def with_weights(numbers: range) -> list[dict]:
    return [{**user(n), "weight": 2 + n} for n in numbers]


async def test_numbers_begin_anew_behind_a_barrier_whatever_is_left_below_it(database, monkeypatch):
    """The clear was interrupted when it had removed the oldest items."""
    monkeypatch.setattr(clear, "_SLICE", 10)
    store = MongoSessionStore(database, token_counter=lambda item: item["weight"])
    session = store.session("a")
    await session.add_items(with_weights(range(35)))
    async with failing(database, "update", times={"skip": 1}, errorCode=13):
        with pytest.raises(OperationFailure):
            await session.clear_session()
        assert await database["session_items"].count_documents({"item": {"$exists": True}}) == 24
        assert await store.session("a").get_items() == []
        again = with_weights(range(3))
        await session.add_items(again)
        (info,) = await store.list_sessions()
        assert (info.items, info.total_tokens) == (3, 2 + 3 + 4)
        entries = [entry async for entry in session.entries()]
        assert [entry.total_tokens for entry in entries] == [2, 5, 9]
        assert [entry.turn for entry in entries] == [1, 2, 3]


async def test_replacing_all_shows_nothing_that_was_there_even_if_it_is_not_removed(
    database, store
):
    session = store.session("a")
    await session.add_items(ITEMS)
    async with failing(database, "update", times={"skip": 1}, errorCode=13):
        with pytest.raises(OperationFailure):
            await session._atomic_replace_items([user("all")])
        assert await database["session_items"].count_documents({"item": {"$exists": True}}) == 6
        assert await store.session("a").get_items() == [user("all")]
        assert [entry.item async for entry in session.entries()] == [user("all")]
        assert await session.pop_item() == user("all")
        assert await session.pop_item() is None


@pytest.fixture
async def lossy_pair(driver, replica_set):
    """Two stores on one database: the answers to the first may get lost."""
    with LossyProxy(urlsplit(replica_set).port) as lossy:
        async with (
            open_database(driver, f"{lossy.uri}&retryWrites=false") as one,
            open_client(driver, replica_set) as client,
        ):
            other = client.get_database(one.name)
            yield lossy, MongoSessionStore(one), MongoSessionStore(other), other


@pytest.fixture
def before_the_next_attempt(monkeypatch) -> Callable[[Callable[[], Awaitable[Any]]], None]:
    """Run something once after an operation failed, and before it is tried again."""
    pause = retries.Backoff.pause_after
    waiting: list[Callable[[], Awaitable[Any]]] = []

    async def pause_after(backoff: Any, error: Any) -> None:
        while waiting:
            await waiting.pop()()
        await pause(backoff, error)

    monkeypatch.setattr(retries.Backoff, "pause_after", pause_after)
    return waiting.append


@pytest.mark.parametrize("is_finished", [True, False])
async def test_a_pop_finds_its_item_where_another_has_put_a_barrier(
    lossy_pair, before_the_next_attempt, is_finished
):
    """The answer is lost, another clears, or dies behind its barrier, and adds an item."""
    lossy, store, other, database = lossy_pair
    session = store.session("a")
    await session.add_items(ITEMS)

    async def clear_and_add() -> None:
        if is_finished:
            await other.session("a").clear_session()
        else:
            async with failing(database, "update", errorCode=13):
                with pytest.raises(OperationFailure):
                    await other.session("a").clear_session()
        await other.session("a").add_items([user("new")])

    before_the_next_attempt(clear_and_add)
    lossy.lose_answers_to("findAndModify")
    assert await session.pop_item() == ITEMS[5]
    assert lossy.lost == 1
    assert await other.session("a").get_items() == [user("new")]


async def test_a_clear_finds_its_barrier_below_that_of_another(lossy_pair, before_the_next_attempt):
    """The answer is lost, another adds an item, clears, and adds a second one."""
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


async def test_a_pop_that_meets_a_barrier_leaves_it_as_it_is(any_database):
    store = MongoSessionStore(any_database)
    session = store.session("a")
    await session.add_items(ITEMS)
    await session.clear_session()
    before = await documents(any_database)
    assert await session.pop_item() is None
    assert await documents(any_database) == before


async def test_what_lies_below_a_barrier_is_hidden_after_a_pop_met_it(database, store):
    session = store.session("a")
    await session.add_items([user(n) for n in range(250)])
    history = await session._history()
    newest = await anext(aiter(history.newest_first()))
    assert await history.save_summary(newest, {"text": "…"})
    await session.add_items(ITEMS)
    async with failing(database, "update", errorCode=13):
        with pytest.raises(OperationFailure):
            await session.clear_session()
    assert await session.pop_item() is None
    await session.add_items(ITEMS)
    assert await history.latest_summary() is None
    assert [entry.item async for entry in session.entries()] == ITEMS


async def test_a_clear_finds_its_barrier_after_a_pop_met_it(lossy_pair, before_the_next_attempt):
    """The answer is lost, another pops in vain, and adds an item."""
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
