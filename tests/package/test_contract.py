"""What a session does, whatever is under it: one suite over every backend."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone

import pytest
from agents.memory import Session, SessionSettings

from mongo_sessions import (
    InvalidItem,
    ItemTooLarge,
    MongoSessionStore,
    StoreClosed,
    TokenLimit,
)


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict:
    return {"role": "assistant", "content": text}


ITEMS = [user("one"), assistant("two"), user("three"), assistant("four")]


@pytest.fixture
def store(any_database) -> MongoSessionStore:
    return MongoSessionStore(any_database)


@pytest.fixture
def session(store):
    return store.session("a")


async def numbers(session) -> list[tuple]:
    return [(e.seq, e.tokens, e.total_tokens, e.turn) async for e in session.entries()]


async def test_is_an_sdk_session(session):
    assert isinstance(session, Session)


async def test_an_unknown_session_is_empty(session):
    assert await session.get_items() == []
    assert await session.get_items(limit=3) == []
    assert await session.pop_item() is None
    await session.clear_session()


async def test_items_come_back_in_order(session):
    await session.add_items(ITEMS[:1])
    await session.add_items(ITEMS[1:])
    assert await session.get_items() == ITEMS


async def test_adding_nothing_does_nothing(session):
    await session.add_items([])
    assert await session.get_items() == []


@pytest.mark.parametrize("limit", [0, 1, 3, 4, 5, 2**31 - 1])
async def test_a_limit_gives_the_newest_oldest_first(session, limit):
    await session.add_items(ITEMS)
    assert await session.get_items(limit=limit) == ITEMS[max(0, 4 - limit) :]


async def test_a_negative_limit_is_refused(session):
    with pytest.raises(ValueError, match="limit must be at least 0, got -1"):
        await session.get_items(limit=-1)


async def test_pop_takes_the_newest_and_the_next_append_takes_a_new_place(session):
    await session.add_items(ITEMS)
    assert await session.pop_item() == ITEMS[3]
    assert await session.pop_item() == ITEMS[2]
    await session.add_items([assistant("again")])
    assert await session.get_items() == [*ITEMS[:2], assistant("again")]
    assert [(seq, turn) for seq, *_, turn in await numbers(session)] == [(1, 1), (2, 1), (5, 1)]
    assert [await session.pop_item() for _ in range(4)] == [
        assistant("again"),
        ITEMS[1],
        ITEMS[0],
        None,
    ]


async def test_clear_removes_everything_and_the_id_starts_anew_behind_it(session):
    await session.add_items(ITEMS)
    await session.clear_session()
    assert await session.get_items() == await session.get_items(limit=3) == []
    assert await numbers(session) == []
    assert await session.pop_item() is None
    await session.add_items(ITEMS[:2])
    assert [(seq, turn) for seq, *_, turn in await numbers(session)] == [(5, 1), (6, 1)]
    assert [await session.pop_item() for _ in range(3)] == [ITEMS[1], ITEMS[0], None]


async def test_sessions_do_not_see_each_other(store):
    one, other = store.session("a"), store.session("a.b")
    await one.add_items(ITEMS[:1])
    await other.add_items(ITEMS[1:])
    assert await one.get_items() == ITEMS[:1]
    await one.clear_session()
    assert await other.get_items() == ITEMS[1:]


async def test_two_objects_of_one_session_are_one_conversation(store):
    one, other = store.session("a"), store.session("a")
    for index, item in enumerate(ITEMS):
        await (one, other)[index % 2].add_items([item])
    assert await one.get_items() == await other.get_items() == ITEMS


async def test_entries_number_count_and_date_the_items(any_database):
    store = MongoSessionStore(any_database, token_counter=lambda item: len(item["content"]))
    session = store.session("a")
    before = datetime.now(timezone.utc) - timedelta(milliseconds=1)
    await session.add_items(ITEMS[:3])
    await session.add_items(ITEMS[3:])
    assert await numbers(session) == [(1, 3, 3, 1), (2, 3, 6, 1), (3, 5, 11, 2), (4, 4, 15, 2)]
    entries = [entry async for entry in session.entries(after_seq=2)]
    assert [entry.item for entry in entries] == ITEMS[2:]
    assert all(before <= entry.created_at <= datetime.now(timezone.utc) for entry in entries)


async def test_entries_go_on_through_many_chunks(session):
    items = [user(str(n)) for n in range(1_000)]
    await session.add_items(items)
    assert [entry.item async for entry in session.entries()] == items
    assert await session.get_items() == items
    assert await session.get_items(limit=950) == items[50:]


async def test_a_policy_decides_what_is_shown_but_not_what_a_limit_reads(any_database):
    async def newest_only(history):
        async for entry in history.newest_first():
            return [entry.item]
        return []

    session = MongoSessionStore(any_database, policy=newest_only).session("a")
    assert await session.get_items() == []
    await session.add_items(ITEMS)
    assert await session.get_items() == ITEMS[3:]
    assert await session.get_items(limit=3) == ITEMS[1:]


async def test_a_session_may_have_another_policy_than_the_store(any_database):
    store = MongoSessionStore(any_database, policy=TokenLimit(1))
    await store.session("a").add_items(ITEMS)
    assert await store.session("a").get_items() == ITEMS[3:]
    assert await store.session("a", policy=None).get_items() == ITEMS


async def test_session_settings_limit_what_get_items_shows(any_database):
    store = MongoSessionStore(any_database, session_settings=SessionSettings(limit=1))
    await store.session("a").add_items(ITEMS)
    assert await store.session("a").get_items() == ITEMS[3:]
    assert await store.session("a").get_items(limit=2) == ITEMS[2:]
    assert await store.session("a", session_settings=None).get_items() == ITEMS


async def test_a_policy_and_a_limit_exclude_each_other(store):
    limit = SessionSettings(limit=5)
    with pytest.raises(ValueError, match=r"limit=5 and a policy .* exclude each other"):
        store.session("a", policy=TokenLimit(10), session_settings=limit)
    session = store.session("a", policy=TokenLimit(10), session_settings=SessionSettings())
    with pytest.raises(ValueError, match="exclude each other"):
        session.session_settings = limit


async def test_without_token_counts_a_token_budget_is_refused(any_database):
    store = MongoSessionStore(any_database, token_counter=None)
    with pytest.raises(ValueError, match="needs token counts, and token_counter is None"):
        store.session("a", policy=TokenLimit(10))
    await store.session("a").add_items(ITEMS)
    assert await numbers(store.session("a")) == [
        (1, 0, 0, 1),
        (2, 0, 0, 1),
        (3, 0, 0, 2),
        (4, 0, 0, 2),
    ]


async def test_counting_can_be_turned_on_later(any_database):
    await MongoSessionStore(any_database, token_counter=None).session("a").add_items(ITEMS)
    counting = MongoSessionStore(
        any_database, token_counter=lambda item: 10, policy=TokenLimit(35, block_tokens=8)
    )
    assert await counting.session("a").get_items() == ITEMS[2:]
    await counting.session("a").add_items(ITEMS)
    assert await counting.session("a").get_items() == ITEMS[1:]


@pytest.mark.parametrize("count", [-1, 1.5, None])
async def test_a_counter_that_does_not_count_is_refused(any_database, count):
    session = MongoSessionStore(any_database, token_counter=lambda item: count).session("a")
    with pytest.raises(ValueError, match=f"token_counter returned {count}"):
        await session.add_items(ITEMS)
    assert await session.get_items() == []


@pytest.mark.parametrize(
    ("session_id", "error"),
    [
        ("", ValueError),
        ("\ud800", ValueError),
        (None, TypeError),
        ({"$gt": ""}, TypeError),
        (b"a", TypeError),
    ],
)
async def test_a_session_id_must_be_a_non_empty_str(store, session_id, error):
    with pytest.raises(error, match="session_id must"):
        store.session(session_id)
    with pytest.raises(error, match="session_id must"):
        await store.delete_session(session_id)


@pytest.mark.parametrize(
    ("bad", "error", "place"),
    [
        ("text", InvalidItem, r"items\[2\] must be a dict, got str"),
        ({"x": [{"y": b"1"}]}, InvalidItem, r"items\[2\]\.x\[0\]\.y is of type bytes"),
        ({"x": (1,)}, InvalidItem, r"items\[2\]\.x is of type tuple"),
        ({"x": float("nan")}, InvalidItem, r"items\[2\]\.x is nan"),
        ({"x": {1: 2}}, InvalidItem, r"items\[2\]\.x has the key 1"),
        ({"x": datetime.now(timezone.utc)}, InvalidItem, "is of type datetime"),
        ({"x": 10**5000}, InvalidItem, r"items\[2\] cannot be written as JSON"),
        ({"content": "x" * (16 * 1024 * 1024)}, ItemTooLarge, r"items\[2\] has 16,777,"),
    ],
)
async def test_what_cannot_be_stored_is_refused_with_its_whole_batch(session, bad, error, place):
    with pytest.raises(error, match=place):
        await session.add_items([*ITEMS[:2], bad])
    assert await session.get_items() == []


async def test_an_item_that_contains_itself_is_refused(session):
    item: dict = {"role": "user"}
    item["content"] = [item]
    with pytest.raises(InvalidItem, match=r"items\[0\] is nested deeper than 500 levels"):
        await session.add_items([item])
    assert await session.get_items() == []


async def test_sessions_are_listed_in_pages(any_database):
    store = MongoSessionStore(any_database, token_counter=lambda item: 10)
    for session_id in ["u1/a", "u1/b", "u10/a", "u2/a", "ü"]:
        await store.session(session_id).add_items(ITEMS)
        await store.session(session_id).pop_item()
    listed = await store.list_sessions()
    assert [info.session_id for info in listed] == ["u1/a", "u1/b", "u10/a", "u2/a", "ü"]
    assert {(info.items, info.total_tokens) for info in listed} == {(3, 30)}
    assert all(datetime.now(timezone.utc) - i.updated_at < timedelta(minutes=1) for i in listed)
    assert [i.session_id for i in await store.list_sessions("u1/")] == ["u1/a", "u1/b"]
    assert [i.session_id for i in await store.list_sessions(limit=2)] == ["u1/a", "u1/b"]
    assert [i.session_id for i in await store.list_sessions(after="u1/b", limit=2)] == [
        "u10/a",
        "u2/a",
    ]
    assert [i.session_id for i in await store.list_sessions("u1/", after="u1/a")] == ["u1/b"]
    assert await store.list_sessions("v") == []
    with pytest.raises(ValueError, match="limit must be at least 1, got 0"):
        await store.list_sessions(limit=0)


async def test_a_deleted_session_is_gone_from_the_listing(store):
    await store.session("a").add_items(ITEMS)
    await store.session("b").add_items(ITEMS)
    assert await store.delete_session("a") == len(ITEMS)
    assert await store.delete_session("a") == 0
    assert [info.session_id for info in await store.list_sessions()] == ["b"]


async def test_a_summary_stays_on_its_item_and_goes_with_it(store):
    session = store.session("a")
    await session.add_items(ITEMS)
    history = await session._history()
    assert await history.latest_summary() is None
    _, second, third, _ = [entry async for entry in session.entries()]
    assert await history.save_summary(second, {"text": "two"})
    assert not await history.save_summary(second, {"text": "again"})
    assert await history.save_summary(third, {"text": "three"})
    assert (await history.latest_summary()).summary == {"text": "three"}
    assert await session.get_items() == ITEMS
    await session.pop_item()
    await session.pop_item()
    assert (await history.latest_summary()).summary == {"text": "two"}
    assert not await history.save_summary(third, {"text": "late"})
    await session.clear_session()
    assert await history.latest_summary() is None


async def claimants(session, number: int) -> list:
    """Histories of as many workers, and the items that they are about."""
    return [await session._history() for _ in range(number)]


async def claim_of(session, seq: int):
    return (await anext(session.entries(after_seq=seq - 1))).claim


async def test_one_worker_claims_a_summary_until_the_claim_expires(store):
    session = store.session("a")
    await session.add_items(ITEMS)
    first, second, *_ = [entry async for entry in session.entries()]
    workers = await claimants(session, 5)
    claims = await asyncio.gather(*(worker.claim(first, 60) for worker in workers))
    assert sorted(claims) == [False] * 4 + [True]
    assert await workers[claims.index(True)].claim(first, 60), "its own claim is prolonged"
    claim = await claim_of(session, seq=1)
    assert (claim.is_working, claim.failures) == (True, 0)
    one, other, third, *_ = workers
    assert await one.claim(second, -1)
    assert await other.claim(second, 60), "the first claim has expired"
    assert not await one.save_summary(second, {"text": "late"})
    assert not await third.save_summary(second, {"text": "never claimed"})
    assert await other.save_summary(second, {"text": "done"})
    assert await claim_of(session, seq=2) is None
    assert not await one.claim(second, 60)


async def test_a_claim_that_was_given_up_is_free_for_all(store):
    session = store.session("a")
    await session.add_items(ITEMS)
    first, *_ = [entry async for entry in session.entries()]
    one, other = await claimants(session, 2)
    assert await one.claim(first, 60)
    await other.release(first)
    assert not await other.claim(first, 60), "but not by another than its owner"
    await one.release(first)
    assert await other.claim(first, 60)
    assert (await claim_of(session, seq=1)).failures == 0


async def test_after_a_failure_nobody_claims_for_a_while(store):
    session = store.session("a")
    await session.add_items(ITEMS)
    first, *_ = [entry async for entry in session.entries()]
    one, other = await claimants(session, 2)
    assert await one.claim(first, 60)
    await other.back_off(first, -60)
    assert not await other.claim(first, 60), "only whoever has the claim can give it up"
    await one.back_off(first, 60)
    assert not await one.claim(first, 60)
    assert not await other.claim(first, 60)
    claim = await claim_of(session, seq=1)
    assert (claim.is_working, claim.failures) == (False, 1)
    await session.clear_session()
    await session.add_items(ITEMS)
    first, *_ = [entry async for entry in session.entries()]
    for worker, failures in ((one, 1), (other, 2)):
        assert await worker.claim(first, 60)
        await worker.back_off(first, -1)
        assert (await claim_of(session, seq=1)).failures == failures
    assert await one.claim(first, 60)
    assert (await claim_of(session, seq=1)).failures == 2, "who claims next knows how often"


async def test_ping_says_that_the_server_answers(store):
    assert await store.ping()


async def test_a_closed_store_refuses_but_leaves_a_given_client_open(any_database):
    async with MongoSessionStore(any_database) as store:
        session = store.session("a")
        await session.add_items(ITEMS)
    for use in (session.get_items(), session.add_items(ITEMS), session.add_items([])):
        with pytest.raises(StoreClosed, match="is closed"):
            await use
    assert await MongoSessionStore(any_database).session("a").get_items() == ITEMS
