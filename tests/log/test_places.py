"""A place is never taken twice: marks and barriers, the items that they hide, their expiry."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pymongo.errors import AutoReconnect, OperationFailure

from mongo_sessions import MongoSessionStore
from mongo_sessions.history import session_state
from mongo_sessions.log.places import MARK_OR_BARRIER, MARK_SECONDS
from mongo_sessions.log.server import transactions
from mongo_sessions.log.writes import clear
from tests.support.faults import failing, interrupted_clear
from tests.support.messages import ITEMS, documents, user

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def test_a_pop_moves_the_item_into_its_mark_with_an_expiry_date(database, store):
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


async def test_a_clear_removes_all_content_and_leaves_the_places(database, store):
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
    assert await documents(database) == before, "the expiry does not restart"


async def let_marks_go(database: Any) -> None:
    """Delete the marks, as the TTL index does an hour later."""
    await database["session_items"].delete_many({"gone_at": {"$exists": True}})


async def test_after_expiry_of_the_marks_places_restart_at_one(database, store):
    session = store.session("a")
    await session.add_items(ITEMS)
    assert await store.delete_session("a") == 6
    await let_marks_go(database)
    assert await documents(database) == []
    await store.session("a").add_items(ITEMS[:2])
    assert [entry.seq async for entry in session.entries()] == [1, 2]


@pytest.mark.parametrize("removal", ["pop", "clear", "pop all"])
async def test_expiry_of_marks_does_not_change_the_session(database, store, removal):
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
async def test_a_stale_session_object_appends_after_the_current_end(  # noqa: PLR0917
    database, store, sent, monkeypatch, size, slept, clock
):
    """After appends, pops and clears by another worker, on either clock of the machine."""
    dice = random.Random(2026)
    other = MongoSessionStore(database).session("a")
    expected: list[dict] = []
    clocks = session_state.clocks
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
                patch.setattr(session_state, "clocks", lambda later=later: tuple(later))
            sent.clear()
            batch = [user(f"sleeper {n}.{part}") for part in range(size)]
            await sleeper.add_items(batch)
            if slept == "six minutes":
                assert sent.names[0] == "find", "it reads the newest place first"
        expected += batch
        assert await other.get_items() == expected
        seqs = [entry.seq async for entry in other.entries()]
        assert seqs == sorted(set(seqs))


def test_a_cached_head_expires_long_before_a_mark():
    assert session_state._HEAD_SECONDS * 10 < MARK_SECONDS
    with pytest.raises(ValueError, match="retry_for must be at most 600, got 601"):
        MongoSessionStore.from_uri("mongodb://127.0.0.1", retry_for=601)
    with pytest.raises(ValueError, match="retention must be at least an hour, got"):
        MongoSessionStore.from_uri("mongodb://127.0.0.1", retention=timedelta(seconds=3_599))
    MongoSessionStore.from_uri("mongodb://127.0.0.1", retention=timedelta(hours=1))


async def test_a_poller_sees_each_surviving_item_once_and_in_order(database):
    """While other workers append, pop and clear. Removed items may be missing."""
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
    """In a session of several chunks, after an interrupted clear."""
    session = store.session("a")
    await session.add_items([user(n) for n in range(250)])
    await interrupted_clear(database, session)
    await session.add_items(ITEMS)
    assert await database["session_items"].count_documents({"item": {"$exists": True}}) == 255
    assert [entry.item async for entry in session.entries()] == ITEMS
    assert [entry.item async for entry in session.entries(after_seq=120)] == ITEMS


async def test_find_ignores_items_below_a_barrier(database, store):
    session = store.session("a")
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    await session.add_items([call, user("x")])
    history = await session._history()
    newest = await anext(aiter(history.newest_first()))
    await interrupted_clear(database, session)
    await session.add_items(ITEMS)
    assert await history.find({"c"}, 100) == []
    assert await history.latest_summary() is None
    assert not await history.save_summary(newest, {"text": "late"})


async def test_a_lookup_of_a_popped_item_uses_the_index_of_removals(database, store, sent):
    session = store.session("a")
    await session.add_items([user(n) for n in range(500)])
    await session.pop_item()
    (popped,) = await database["session_items"].find({"popped": {"$exists": True}}).to_list(None)
    query = {"session_id": "a", **MARK_OR_BARRIER, "popped.token": popped["popped"]["token"]}
    command = {"find": "session_items", "filter": query, "limit": 1}
    plan = await database.command({"explain": command, "verbosity": "executionStats"})
    assert plan["executionStats"]["totalDocsExamined"] == 1


async def test_time_is_read_from_both_clocks():
    monotonic, wall = session_state.clocks()
    assert monotonic <= time.monotonic()
    assert wall <= time.time()


async def summarised_and_interrupted_clear(database: Any, session: Any) -> Any:
    """The history of a session whose clear has left a summary below its barrier."""
    history = await session._history()
    newest = await anext(aiter(history.newest_first()))
    assert await history.save_summary(newest, {"text": "…"})
    await session.add_items(ITEMS)
    await interrupted_clear(database, session)
    return history


async def test_a_summary_below_a_barrier_is_ignored(database, store):
    session = store.session("a")
    await session.add_items(ITEMS)
    history = await summarised_and_interrupted_clear(database, session)
    stored = {"summary.text": {"$exists": True}}
    assert await database["session_items"].count_documents(stored) == 1
    assert await history.latest_summary() is None
    assert await (await session._log()).log.claims.summarised_tokens("a") == 0
    await session.add_items(ITEMS)
    assert await history.latest_summary() is None


def with_weights(numbers: range) -> list[dict]:
    return [{**user(n), "weight": 2 + n} for n in numbers]


async def test_totals_restart_after_a_barrier_of_an_interrupted_clear(database, monkeypatch):
    """The clear was interrupted after it had removed the oldest items."""
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


async def test_an_interrupted_replacement_of_all_items_hides_the_old_items(database, store):
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


async def test_a_pop_does_not_change_a_barrier(any_database):
    store = MongoSessionStore(any_database)
    session = store.session("a")
    await session.add_items(ITEMS)
    await session.clear_session()
    before = await documents(any_database)
    assert await session.pop_item() is None
    assert await documents(any_database) == before


async def test_a_barrier_hides_older_items_after_a_pop_on_it(database, store):
    session = store.session("a")
    await session.add_items([user(n) for n in range(250)])
    history = await summarised_and_interrupted_clear(database, session)
    assert await session.pop_item() is None
    await session.add_items(ITEMS)
    assert await history.latest_summary() is None
    assert [entry.item async for entry in session.entries()] == ITEMS


@pytest.fixture
def losing_an_answer(monkeypatch) -> Callable[[Callable[[], Awaitable[Any]]], None]:
    """The first transaction commits; its answer is lost after another operation."""
    in_transaction = transactions.in_transaction

    def lose(meanwhile: Callable[[], Awaitable[Any]]) -> None:
        waiting = [meanwhile]

        async def without_its_answer(*arguments: Any) -> Any:
            result = await in_transaction(*arguments)
            if waiting:
                await waiting.pop()()
                raise AutoReconnect("lost")
            return result

        monkeypatch.setattr(transactions, "in_transaction", without_its_answer)

    return lose


async def test_a_replacement_by_nothing_reports_its_success_after_a_lost_answer(
    store, losing_an_answer
):
    session, other = store.session("a"), store.session("a")
    await session.add_items(ITEMS)
    snapshot = await session._get_compaction_snapshot(10)
    losing_an_answer(lambda: other.add_items([user("new")]))
    assert await snapshot.replace_suffix(2, []) is True
    assert await other.get_items() == [*ITEMS[:2], user("new")]


async def test_a_replacement_by_nothing_that_was_refused_reports_it_after_a_lost_answer(
    store, losing_an_answer
):
    session, other = store.session("a"), store.session("a")
    await session.add_items(ITEMS)
    snapshot = await session._get_compaction_snapshot(10)
    await other.pop_item()
    losing_an_answer(lambda: other.add_items([user("new")]))
    assert await snapshot.replace_suffix(2, []) is False
    assert await other.get_items() == [*ITEMS[:5], user("new")]


async def test_a_replacement_of_all_by_nothing_is_a_clear(store, sent):
    """A clear is exactly once after a lost answer; a transaction without inserts is not."""
    session = store.session("a")
    await session.add_items(ITEMS)
    sent.clear()
    assert await session._atomic_replace_items([])
    assert sent.names == ["findAndModify", "update", "update"]
    assert await session.get_items() == []
