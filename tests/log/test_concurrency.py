"""Many writers on one session, on real servers: nothing lost, doubled, torn or miscounted."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from mongo_sessions import MongoSessionStore
from mongo_sessions.history import session_state
from tests.conftest import open_database
from tests.support.faults import Commands, failing

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(
    params=["motor-standalone", "pymongo-standalone", "motor-replica_set", "pymongo-replica_set"]
)
def backend(request):
    driver, _, server = request.param.partition("-")
    return driver, request.getfixturevalue(server)


def weigh(item: dict) -> int:
    return item["weight"]


@pytest.fixture
def store(any_database) -> MongoSessionStore:
    return MongoSessionStore(any_database, token_counter=weigh)


@pytest.fixture
def another_store(any_database) -> Callable[[], MongoSessionStore]:
    """Independent stores, as in several processes."""
    return lambda: MongoSessionStore(any_database, token_counter=weigh)


@pytest.fixture(params=["one process", "several"])
def for_each_writer(request, store, another_store) -> Callable[[], MongoSessionStore]:
    return another_store if request.param == "several" else lambda: store


def batch(writer: int, number: int, size: int) -> list[dict]:
    return [
        {
            "role": "user" if part == 0 else "assistant",
            "weight": writer + part,
            "part": [writer, number, part],
        }
        for part in range(size)
    ]


async def stored(store: MongoSessionStore) -> list:
    return [entry async for entry in store.session("a").entries()]


def assert_numbers_add_up(entries: list, *, has_gaps: bool = False) -> None:
    """Every seq, once; and totals that are the sums, not just some growing numbers.

    ``has_gaps``: places are left by items that were removed.
    """
    seqs = [entry.seq for entry in entries]
    assert seqs == sorted(set(seqs)) if has_gaps else seqs == list(range(1, len(entries) + 1))
    totals = itertools.accumulate(entry.item["weight"] for entry in entries)
    assert [entry.total_tokens for entry in entries] == list(totals)
    turns = itertools.accumulate(entry.item["role"] == "user" for entry in entries)
    assert [entry.turn for entry in entries] == list(turns)


def assert_numbers_grow(entries: list) -> None:
    """Places and totals, the latter by at least what each item adds."""
    for a, b in pairwise(entries):
        assert a.seq < b.seq
        assert a.total_tokens + b.item["weight"] <= b.total_tokens
        assert a.turn <= b.turn


async def test_sixteen_writers_keep_their_batches_together_and_in_order(store, for_each_writer):
    async def write(writer: int) -> None:
        session = for_each_writer().session("a")
        for number in range(8):
            await session.add_items(batch(writer, number, size=1 + (writer + number) % 4))

    await asyncio.gather(*(write(writer) for writer in range(16)))
    entries = await stored(store)
    assert_numbers_add_up(entries)
    written = [
        list(group)
        for _, group in itertools.groupby((e.item for e in entries), key=lambda i: i["part"][:2])
    ]
    assert sorted(written, key=lambda b: b[0]["part"]) == [
        batch(writer, number, size=1 + (writer + number) % 4)
        for writer in range(16)
        for number in range(8)
    ]
    for writer in range(16):
        numbers = [b[0]["part"][1] for b in written if b[0]["part"][0] == writer]
        assert numbers == list(range(8))


async def test_one_session_object_may_be_used_by_many_tasks(store):
    session = store.session("a")
    await asyncio.gather(*(session.add_items(batch(n, 0, size=2)) for n in range(16)))
    entries = await stored(store)
    assert_numbers_add_up(entries)
    assert sorted(e.item["part"][0] for e in entries[::2]) == list(range(16))
    assert all(
        a.item["part"][:2] == b.item["part"][:2]
        for a, b in zip(entries[::2], entries[1::2], strict=True)
    )


async def test_pops_among_the_writers_take_each_item_once(store, for_each_writer):
    popped: list[dict] = []

    async def write(writer: int) -> None:
        session = for_each_writer().session("a")
        for number in range(10):
            await session.add_items(batch(writer, number, size=1 + number % 3))

    async def pop() -> None:
        session = for_each_writer().session("a")
        for _ in range(20):
            item = await session.pop_item()
            if item is not None:
                popped.append(item)

    await asyncio.gather(*(write(writer) for writer in range(6)), *(pop() for _ in range(4)))
    entries = await stored(store)
    assert_numbers_grow(entries)
    left = [entry.item for entry in entries]
    added = [i for w in range(6) for n in range(10) for i in batch(w, n, size=1 + n % 3)]
    assert sorted(i["part"] for i in left + popped) == sorted(i["part"] for i in added)


async def test_pops_racing_for_the_last_items_share_them_out(store):
    await store.session("a").add_items(batch(1, 0, size=5))
    popped = await asyncio.gather(*(store.session("a").pop_item() for _ in range(12)))
    assert sorted(i["part"][2] for i in popped if i is not None) == [0, 1, 2, 3, 4]


@pytest.fixture
def replicated(database) -> MongoSessionStore:
    return MongoSessionStore(database, token_counter=weigh)


@pytest.mark.parametrize("size", [1, 3])
async def test_a_writer_with_a_popped_head_continues_from_the_stored_totals(replicated, size):
    stale, other = replicated.session("a"), replicated.session("a")
    await stale.add_items(batch(1, 0, size=3))
    await other.pop_item()
    await other.add_items(batch(50, 1, size=1))
    await other.pop_item()
    await other.add_items(batch(90, 2, size=1))
    await stale.add_items(batch(2, 3, size=size))
    entries = await stored(replicated)
    assert len(entries) == 3 + size
    assert_numbers_add_up(entries, has_gaps=True)


@pytest.mark.parametrize("size", [1, 3])
async def test_a_writer_that_missed_a_clear_follows_the_barrier(replicated, size):
    """Its totals continue from before the clear; a listing reports the difference."""
    stale, other = replicated.session("a"), replicated.session("a")
    await stale.add_items(batch(1, 0, size=3))
    await other.clear_session()
    await stale.add_items(batch(2, 1, size=size))
    await other.add_items(batch(5, 2, size=1))
    entries = await stored(replicated)
    assert [entry.seq for entry in entries] == list(range(4, 5 + size))
    assert_numbers_grow(entries)
    (info,) = await replicated.list_sessions()
    assert info.items == size + 1
    assert info.total_tokens == sum(entry.item["weight"] for entry in entries)


async def test_a_correction_during_a_commit_leaves_order_and_totals_right(driver, replica_set):
    sent = Commands()
    async with open_database(driver, replica_set, event_listeners=[sent]) as database:
        store = MongoSessionStore(database, token_counter=weigh)
        stale, writer, corrector = (store.session("a") for _ in range(3))
        await stale.add_items(batch(1, 0, size=2))
        await corrector.add_items(batch(2, 0, size=1))
        await writer.get_items()
        committing = sent.expect("commitTransaction")
        async with failing(database, "commitTransaction", blockConnection=True, blockTimeMS=200):
            adding = asyncio.ensure_future(writer.add_items(batch(3, 0, size=2)))
            await committing.wait()
            assert (await corrector.pop_item())["part"] == [2, 0, 0]
            await corrector.add_items(batch(1_000, 0, size=1))
            await adding
        await stale.add_items(batch(4, 0, size=1))
        entries = await stored(store)
        assert entries[-1].item["part"] == [4, 0, 0], "what was added last is last"
        assert all(a.total_tokens <= b.total_tokens for a, b in pairwise(entries))


@pytest.mark.parametrize("size", [1, 3])
async def test_a_writer_of_an_empty_session_appends_after_expired_places(
    database, replicated, size, monkeypatch
):
    """Retention removes the oldest items, so the first places become free; not within an hour."""
    early, other = replicated.session("a"), replicated.session("a")
    assert await early.get_items() == []
    await other.add_items(batch(1, 0, size=4))
    await database["session_items"].delete_many({"seq": {"$lte": 3}})
    monkeypatch.setattr(session_state, "clocks", lambda: (time.monotonic() + 301, time.time()))
    await early.add_items(batch(2, 0, size=size))
    assert [entry.seq for entry in await stored(replicated)] == list(range(4, 5 + size))


async def test_on_every_server_a_writer_with_a_cleared_head_appends_at_the_end(store):
    stale, other = store.session("a"), store.session("a")
    await stale.add_items(batch(1, 0, size=5))
    await other.clear_session()
    await other.add_items(batch(2, 0, size=2))
    await stale.add_items(batch(3, 0, size=1))
    await other.add_items(batch(4, 0, size=2))
    entries = await stored(store)
    assert [entry.item["part"][0] for entry in entries] == [2, 2, 3, 4, 4]
    assert_numbers_add_up(entries, has_gaps=True)


@pytest.mark.parametrize("knows", ["what is there", "what it did last"])
async def test_writers_poppers_and_clears_in_any_order_keep_order_and_numbers_right(
    database, replicated, knows
):
    """Compared with a plain list.

    A worker that reads before it writes knows the stored totals; otherwise it continues from its
    last operation, and misses the pops and clears since.
    """
    dice = random.Random(2026)
    stores = [MongoSessionStore(database, token_counter=weigh) for _ in range(4)]
    sessions = [store.session("a") for store in [replicated, *stores]]
    expected: list[dict] = []
    for step in range(120):
        session = dice.choice(sessions)
        if knows == "what is there":
            await session.get_items()
        match dice.choices(["add", "pop", "read", "clear"], weights=[6, 4, 2, 1])[0]:
            case "add":
                items = batch(dice.randrange(100), step, size=dice.choice([1, 1, 3]))
                await session.add_items(items)
                expected += items
            case "pop":
                assert await session.pop_item() == (expected.pop() if expected else None)
            case "read":
                assert await session.get_items(limit=2) == expected[-2:]
            case "clear":
                await session.clear_session()
                expected = []
        entries = await stored(replicated)
        assert [entry.item for entry in entries] == expected
        assert_numbers_grow(entries)
        infos = await replicated.list_sessions()
        assert bool(infos) == bool(expected)
        if knows == "what is there":
            assert_numbers_add_up(entries, has_gaps=True)
            weight = sum(item["weight"] for item in expected)
            assert [(i.items, i.total_tokens) for i in infos] == [(len(expected), weight)] * bool(
                expected
            )


async def test_a_batch_with_a_taken_place_in_its_middle_stores_nothing(database, replicated):
    session = replicated.session("a")
    await session.add_items(batch(1, 0, size=1))
    taken = {"session_id": "a", "seq": 4, "item": batch(9, 9, size=1)[0], "total_tokens": 50}
    created_at = (await stored(replicated))[0].created_at
    await database["session_items"].insert_one({**taken, "turn": 2, "created_at": created_at})
    await session.add_items(batch(2, 1, size=3))
    assert [entry.seq for entry in await stored(replicated)] == [1, 4, 5, 6, 7]
