"""The first chunk of a view: one round trip, with few documents more than the view needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mongo_sessions import MongoSessionStore, SummarizeOlder, TokenLimit
from mongo_sessions.first_chunks import DEFAULT, VIEWS, FirstChunks
from tests.support.filling import fill
from tests.support.scribes import Scribe

if TYPE_CHECKING:
    from collections.abc import Callable

    from mongo_sessions import MongoSession
    from tests.support.faults import Commands

USER = {"role": "user", "content": "Is it there?"}
ANSWER = {"role": "assistant", "content": "It is."}
ITEMS = [USER, ANSWER]

# 10 tokens an item: 10 items are shown of a session that is long, and an eleventh is read.
POLICY = TokenLimit(100, block_tokens=50)
NEEDED, ROOM = 11, 9


def ten(item: dict[str, Any]) -> int:
    return 10


@pytest.fixture
def store(database: Any) -> MongoSessionStore:
    return MongoSessionStore(database, token_counter=ten, policy=POLICY)


@pytest.fixture(params=["a session object that is kept", "a session object per request"])
def opened(request, store) -> Callable[[], MongoSession]:
    if "kept" in request.param:
        session = store.session("a")
        return lambda: session
    return lambda: store.session("a")


def limits(sent: Commands) -> list[int]:
    """Documents that each find asks for, since the last call."""
    found = [e.command["limit"] for e in sent.started_events if e.command_name == "find"]
    sent.clear()
    return found


async def viewed(session: MongoSession, sent: Commands) -> tuple[int, list[int]]:
    """How many items are shown, and the documents that each find asks for."""
    sent.clear()
    shown = await session.get_items()
    return len(shown), limits(sent)


async def test_a_second_view_reads_slightly_more_than_the_first_needed(
    database, store, opened, sent
):
    await fill(database, ITEMS * 500, ten)
    await store.session("b").get_items()
    assert await viewed(opened(), sent) == (10, [100])
    for _ in range(3):
        assert await viewed(opened(), sent) == (10, [NEEDED + ROOM])


async def test_a_view_of_many_items_becomes_one_round_trip(database, sent):
    store = MongoSessionStore(database, token_counter=ten, policy=TokenLimit(4_000))
    await fill(database, ITEMS * 500, ten)
    await store.session("b").get_items()
    shown, first = await viewed(store.session("a"), sent)
    assert len(first) > 1
    assert await viewed(store.session("a"), sent) == (shown, [shown + 1 + 16])


async def test_the_turns_of_a_growing_session_are_one_round_trip_each(store, opened, sent):
    await store.session("a").add_items(ITEMS * 4)
    for number in range(60):
        await opened().add_items(ITEMS * (1 + number % 4))
        shown, asked = await viewed(opened(), sent)
        assert len(asked) == 1
        assert asked[0] <= 100
    assert shown <= asked[0] <= NEEDED + ROOM, (
        "and in the end, it hardly reads what it does not show"
    )


async def test_a_turn_with_more_items_than_the_first_chunk_costs_one_more_read(database, sent):
    policy = TokenLimit(1_000, block_tokens=500)
    store = MongoSessionStore(database, token_counter=ten, policy=policy)
    await fill(database, ITEMS * 501, ten)
    for _ in range(2):
        before, _ = await viewed(store.session("a"), sent)
    await store.session("a").add_items(ITEMS * 20)
    shown, asked = await viewed(store.session("a"), sent)
    assert shown == before + 40
    assert asked == [before + 1 + 16, 2 * (before + 1 + 16)]
    assert await viewed(store.session("a"), sent) == (shown, [shown + 1 + 16])


async def test_a_first_chunk_that_was_far_too_small_is_followed_by_a_chunk_of_100(
    database, store, sent
):
    await fill(database, ITEMS * 500, ten)
    store._connections.state.first_chunks.learn(("a", id(POLICY)), 4)
    await store.session("b").get_items()
    assert await viewed(store.session("a"), sent) == (10, [4, 100])
    assert await viewed(store.session("a"), sent) == (10, [NEEDED + ROOM])


async def test_a_session_that_grows_from_nothing_is_read_in_chunks_of_a_hundred(store, sent):
    """Nothing is saved by asking for fewer documents than there are."""
    session = store.session("a")
    await session.get_items()
    for number in range(1, 5):
        assert await viewed(session, sent) == (2 * (number - 1), [100])
        await session.add_items(ITEMS)


async def test_a_clear_resets_the_size_of_the_first_chunk(database, sent):
    store = MongoSessionStore(database, token_counter=ten, policy=TokenLimit(4_000))
    await fill(database, ITEMS * 500, ten)
    session = store.session("a")
    for _ in range(2):
        await session.get_items()
    await session.clear_session()
    await session.add_items(ITEMS)
    await session.get_items()
    await fill(database, ITEMS * 500, ten, "b")
    shown, asked = await viewed(session, sent)
    assert (shown, len(asked)) == (2, 1)


async def test_each_policy_has_its_own_first_chunk_for_a_session(database, sent):
    store = MongoSessionStore(database, token_counter=ten)
    await fill(database, ITEMS * 500, ten)
    larger = TokenLimit(200, block_tokens=100)
    for policy in (POLICY, larger) * 2:
        await store.session("a", policy=policy).get_items()
    assert await viewed(store.session("a", policy=POLICY), sent) == (10, [NEEDED + ROOM])
    assert await viewed(store.session("a", policy=larger), sent) == (20, [21 + 14])


async def test_marks_in_front_of_the_items_are_part_of_the_first_chunk(database, store, sent):
    await fill(database, ITEMS * 500, ten)
    session = store.session("a")
    for _ in range(60):
        await session.pop_item()
    for _ in range(3):
        await session.get_items()
    for _ in range(3):
        shown, asked = await viewed(session, sent)
        assert (shown, len(asked)) == (10, 1)
        assert asked[0] <= 60 + NEEDED + 16


async def test_a_view_behind_a_summary_reads_back_to_it_and_little_more(database, sent):
    policy = SummarizeOlder(Scribe(), max_tokens=1_000)
    store = MongoSessionStore(database, token_counter=ten, policy=policy)
    await fill(database, ITEMS * 500, ten)
    await store.fold_pending(policy)
    await store.session("a").get_items()
    shown, asked = await viewed(store.session("a"), sent)
    # A summary is shown instead of the item that carries it.
    assert asked == [shown + 16]


def test_a_store_keeps_the_view_sizes_of_the_most_recent_sessions():
    chunks = FirstChunks()
    for number in range(VIEWS):
        chunks.learn(number, 20)
    chunks.learn(0, 30)
    chunks.learn("new", 40)
    assert (chunks.of(0), chunks.of("new"), chunks.of(1)) == (30, 40, DEFAULT)
