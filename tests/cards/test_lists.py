"""Lists by activity: one round trip by an index, however many sessions there are."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from mongo_sessions import Card, IndexesMissing, MongoSessionStore, SessionInfo
from tests.support.clients import both_at_night

USER: Any = {"role": "user", "content": "hello"}
OWNERS = 100
LIMIT = 50


async def fill(database: Any, cards: int) -> None:
    """Cards of many owners, as they are stored. Half of them have one active_at."""
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    documents = [
        {
            "_id": f"s{number:06}",
            "owner": f"u{number % OWNERS}",
            "created_at": start,
            "active_at": start + timedelta(seconds=max(number - cards // 2, 0)),
        }
        for number in range(cards)
    ]
    cards_of = database["session_items_cards"]
    for begin in range(0, cards, 10_000):
        await cards_of.insert_many(documents[begin : begin + 10_000])
    await cards_of.insert_many([{"_id": f"turn{n}", "turn": {"id": n}} for n in range(100)])


def stats(explained: dict) -> dict:
    return explained["executionStats"]


async def pages(store: MongoSessionStore, **query: Any) -> list[Card]:
    found: list[Card] = []
    after = None
    for _ in range(30):  # a list that goes round and round must fail, and not hang
        page = await store.list_sessions(after=after, limit=LIMIT, **query)
        if not page:
            return found
        found += page
        after = page[-1].cursor
    raise AssertionError(f"{len(found)} cards, and no end")


@both_at_night
@pytest.mark.parametrize("cards", [1_000, 100_000])
async def test_a_page_costs_the_same_with_any_number_of_sessions(sent, database, cards):
    store = MongoSessionStore(database)
    await store.ensure_indexes()
    await fill(database, cards)
    sent.with_cards = True
    everything = await store.list_sessions(order="active", limit=cards)
    cursors = [everything[place].cursor for place in (LIMIT, cards // 2 - 5, cards - LIMIT)]
    queries: list[Any] = [{"order": "active"}, {"owner": "u7"}]
    for query in queries:
        for after in (None, *cursors):
            sent.clear()
            page = await store.list_sessions(after=after, limit=LIMIT, **query)
            [event] = sent.started_events
            fields = ("find", "filter", "sort", "limit")
            command = {name: event.command[name] for name in fields}
            told = await database.command("explain", command, verbosity="executionStats")
            assert stats(told)["nReturned"] == len(page)
            assert stats(told)["totalKeysExamined"] <= 2 * LIMIT
            assert stats(told)["totalDocsExamined"] <= 2 * LIMIT
    everything = await pages(store, order="active") if cards == 1_000 else everything
    assert [card.session_id for card in everything] == sorted(
        [f"s{number:06}" for number in range(cards)],
        key=lambda one: (-max(int(one[1:]) - cards // 2, 0), one),
    )
    of_owner = await pages(store, owner="u7")
    assert [one.session_id for one in of_owner] == [
        one.session_id for one in everything if one.owner == "u7"
    ]


async def test_the_last_active_session_is_first(any_database):
    store = MongoSessionStore(any_database)
    for number, owner in enumerate(["u1", "u2", "u1", None]):
        await store.session(f"s{number}", owner=owner).update_card(title=f"{number}")
    await any_database["session_items_cards"].update_one(
        {"_id": "s0"}, {"$set": {"active_at": datetime(2100, 1, 1, tzinfo=timezone.utc)}}
    )
    cards = await store.list_sessions(owner="u1")
    assert [(card.session_id, card.title) for card in cards] == [("s0", "0"), ("s2", "2")]
    everything = await store.list_sessions(order="active")
    assert everything[0].session_id == "s0"
    assert {card.session_id for card in everything} == {"s0", "s1", "s2", "s3"}
    assert await store.list_sessions() == []  # no items


async def test_a_list_has_the_appends_of_this_process(store):
    await store.session("a", owner="u1").add_items([USER])
    await store.session("b").add_items([USER])
    assert [card.session_id for card in await store.list_sessions(owner="u1")] == ["a"]
    assert {card.session_id for card in await store.list_sessions(order="active")} == {"a", "b"}
    listed = await store.list_sessions()
    assert [type(info) for info in listed] == [SessionInfo] * 2


@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        ({"owner": "u", "order": "id"}, ValueError, "owner needs order='active'"),
        ({"owner": "u", "prefix": "x"}, ValueError, "prefix needs order='id'"),
        ({"order": "name"}, ValueError, "order must be 'id' or 'active', got 'name'"),
        ({"owner": ""}, ValueError, "owner must not be empty"),
        ({"owner": 5}, TypeError, "owner must be a str, got 5"),
        ({"owner": "u", "after": "x"}, ValueError, "after must be the cursor of a card, got 'x'"),
        ({"owner": "u", "after": "é"}, ValueError, "after must be the cursor of a card"),
        ({"owner": "u", "after": "OTk5OTk5OTk5OTk5OTk5OTk5Omk="}, ValueError, "cursor of a card"),
        ({"owner": "u", "limit": 0}, ValueError, "limit must be at least 1"),
        ({"limit": 10**30}, ValueError, "limit must be at most 1000000, got 10{30}"),
        ({"owner": "u", "limit": 10**30}, ValueError, "limit must be at most 1000000, got"),
    ],
)
async def test_a_bad_argument_is_refused_by_name(store, query, error, message):
    with pytest.raises(error, match=message):
        await store.list_sessions(**query)


async def test_a_list_without_its_index_is_refused(database):
    await MongoSessionStore(database).session("a").add_items([USER])
    store = MongoSessionStore(database, create_indexes=False)
    with pytest.raises(IndexesMissing, match="session_items_cards has no index owner_active"):
        await store.list_sessions(owner="u1")
    await store.session("a").update_card(title="works")
    await store.ensure_indexes()
    assert await store.list_sessions(owner="u1") == []
