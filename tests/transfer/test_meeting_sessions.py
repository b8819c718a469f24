"""Imports of sessions that exist, or that change meanwhile: nothing is overwritten."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from mongo_sessions import Imported, MongoSessionStore, SessionExists
from tests.support.transfers import (
    ANSWER,
    USER,
    Stopped,
    contents,
    emptied,
    export_of,
    exported,
    stop_at_once,
    with_a_change,
)


async def test_a_session_with_another_content_is_refused_by_name(any_database):
    store = MongoSessionStore(any_database)
    await store.session("a").add_items([USER, ANSWER])
    lines = await exported(store)
    for other in ([{**USER, "x": 1}, ANSWER], [{"role": "user", "content": "Bye"}], [ANSWER] * 3):
        await emptied(any_database)
        await store.session("a").add_items(other)
        with pytest.raises(SessionExists, match="'a'"):
            await store.import_lines(lines)
        assert await store.session("a").get_items() == other
    await emptied(any_database)
    await store.import_lines(lines)
    await store.session("a").pop_item()
    with pytest.raises(SessionExists, match="differs at seq 2"):
        await store.import_lines(lines)


async def test_a_number_of_another_type_is_another_content(store, database):
    await store.session("a").add_items([{"n": 1, "m": 2}])
    lines = await exported(store)
    for item in ({"n": 1.0, "m": 2}, {"n": True, "m": 2}, {"m": 2, "n": 1}):
        await database["session_items"].update_one({}, {"$set": {"item": item}})
        with pytest.raises(SessionExists):
            await store.import_lines(lines)


async def test_a_session_that_goes_on_after_its_import_is_not_changed_by_another_one(store):
    await store.session("a").add_items([USER, ANSWER])
    lines = await exported(store)
    await store.session("a").add_items([USER])
    assert await store.import_lines(lines) == Imported(sessions=1, items=0, skipped=2)
    assert len(await store.session("a").get_items()) == 3


async def test_items_between_those_of_the_export_are_noticed(store, database):
    """An application that uses a session during its import may write into a gap of it."""
    session = store.session("a")
    await session.add_items([{**USER, "n": n} for n in range(500)])
    await session.add_items([USER] * 4)
    for _ in range(4):
        await session.pop_item()
    await session.add_items([ANSWER] * 2)
    lines = await exported(store)
    copies = MongoSessionStore(database, collection="copies")

    with pytest.raises(Stopped):
        await copies.import_lines(lines, progress=stop_at_once)
    await copies.session("a").add_items([USER])
    await copies.session("a").pop_item()
    await copies.session("a").add_items([USER])  # at 502; the import has nothing from 501 to 504
    with pytest.raises(SessionExists, match="differs at seq 502"):
        await copies.import_lines(lines)


async def test_a_clear_during_an_import_is_noticed(database):
    lines, copies = await export_of(database, 1_100)

    clearing = with_a_change(lines, copies.session("a").clear_session)
    with pytest.raises(SessionExists, match="'a' was"):
        await copies.import_lines(clearing)


async def test_items_that_retention_deletes_meanwhile_are_no_error(database):
    lines, copies = await export_of(database, 1_100)

    async def expire():  # as the TTL index does
        await database["copies"].delete_many({"seq": {"$lte": 100}})

    done = await copies.import_lines(with_a_change(lines, expire))
    assert done == Imported(sessions=1, items=1_100)
    assert len(await contents(copies, "a")) == 1_000


async def test_a_deleted_session_is_imported_when_its_places_are_free(store, database):
    await store.session("a").add_items([USER, ANSWER])
    lines = await exported(store)
    await store.delete_session("a")
    with pytest.raises(SessionExists, match="about an hour later"):
        await store.import_lines(lines)
    assert await store.session("a").get_items() == []
    await database["session_items"].delete_many({"gone_at": {"$exists": True}})  # as the TTL index
    await store.import_lines(lines)
    assert await exported(store) == lines


async def test_a_card_of_another_owner_is_not_overwritten(store, database):
    now = datetime(2026, 1, 31, tzinfo=timezone.utc)
    card = {"_id": "a", "owner": "ann", "created_at": now, "active_at": now}
    await database["session_items_cards"].insert_one(card)
    lines = await exported(store)
    await database["session_items_cards"].update_one({}, {"$set": {"owner": "bob", "title": "x"}})
    with pytest.raises(SessionExists, match=r"'a'.*owner"):
        await store.import_lines(lines)
    await database["session_items_cards"].update_one({}, {"$set": {"owner": "ann"}})
    await store.import_lines(lines)
    assert (await database["session_items_cards"].find_one({}))["title"] == "x"
    tombstone = {"_id": "a", "deleted_seq": 1, "deleted_at": now}
    await database["session_items_cards"].replace_one({"_id": "a"}, tombstone)
    await store.import_lines(lines)
    assert await database["session_items_cards"].find_one({}) == {
        "_id": "a",
        "deleted_seq": 1,
        "owner": "ann",
        "created_at": now.replace(tzinfo=None),
        "active_at": now.replace(tzinfo=None),
    }
