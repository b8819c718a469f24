"""Deletions: of one session, of all of an owner, and of the idle ones."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mongo_sessions import Deleted, MongoSessionStore, WrongOwner
from mongo_sessions.history.session_log import SessionLog
from mongo_sessions.log.cards.cards import Cards
from mongo_sessions.store import deletions

USER: Any = {"role": "user", "content": "hello"}


async def stored(database: Any, session_id: str) -> dict[str, Any]:
    return await database["session_items_cards"].find_one({"_id": session_id})


async def add(store: MongoSessionStore, session_id: str, items: int, owner: str | None) -> None:
    session = store.session(session_id, owner=owner)
    if items:
        await session.add_items([USER] * items)
    else:
        await session.get_items()
    await session.flush()


async def age(database: Any, session_id: str, by: timedelta) -> None:
    """Make a session older."""
    for name, key, field in (
        ("session_items", "session_id", "created_at"),
        ("session_items_cards", "_id", "active_at"),
    ):
        async for document in database[name].find({key: session_id}):
            older = {"$set": {field: document[field] - by}}
            await database[name].update_one({"_id": document["_id"]}, older)


async def test_a_deletion_leaves_a_tombstone_without_content(database):
    store = MongoSessionStore(database)
    await add(store, "a", 2, "u1")
    await store.session("a").update_card(title="t", metadata={"a": 1})
    await database["session_items_cards"].update_one({"_id": "a"}, {"$set": {"turn": {"id": 1}}})
    assert await store.delete_session("a") == 2
    left = await stored(database, "a")
    assert left.keys() == {"_id", "turn", "deleted_seq", "deleted_on", "deleted_at"}
    assert left["deleted_seq"] == 3
    assert await store.session("a").card() is None
    assert await store.list_sessions(order="active") == []
    information = await database["session_items_cards"].index_information()
    assert information["deleted_at_1h"]["expireAfterSeconds"] == 3_600


async def test_a_late_touch_of_a_deleted_item_makes_no_card(database):
    writer, other = MongoSessionStore(database), MongoSessionStore(database)
    session = writer.session("a", owner="u1")
    await session.add_items([USER])
    await other.delete_session("a")
    await session.flush()  # the touch of the append above
    assert await other.session("a").card() is None
    await session.add_items([USER])
    card = await session.card()
    assert card is not None
    left = await stored(database, "a")
    assert left.keys() == {"_id", "owner", "created_at", "active_at", "deleted_seq", "deleted_on"}


async def test_a_session_that_another_worker_deleted_gets_a_card_again_at_once(database):
    writer, other = MongoSessionStore(database), MongoSessionStore(database)
    session = writer.session("a")
    await session.add_items([USER])
    await session.flush()
    await other.delete_session("a")
    await session.get_items()
    await session.add_items([USER])
    assert await session.card() is not None


async def test_an_append_during_a_deletion_keeps_its_card(database, monkeypatch):
    store, other = MongoSessionStore(database), MongoSessionStore(database)
    await add(store, "a", 2, "u1")
    bury = Cards.bury

    async def late(*args: Any, **how: Any) -> Any:
        """The append and its touch come between the two steps of the deletion."""
        monkeypatch.setattr(Cards, "bury", bury)
        await add(other, "a", 1, "u1")
        return await bury(*args, **how)

    monkeypatch.setattr(Cards, "bury", late)
    assert await store.delete_session("a") == 2
    assert await store.session("a", owner="u1").get_items() == [USER]


async def test_an_append_during_deletions_keeps_its_owner(database, monkeypatch):
    store, other = MongoSessionStore(database), MongoSessionStore(database)
    await add(store, "a", 2, "u1")
    bury = Cards.bury

    async def twice(*args: Any, **how: Any) -> Any:
        """Another deletion, or an attempt whose answer was lost, and then the append."""
        await bury(*args, **how)
        await other.session("a").add_items([USER])
        return await bury(*args, **how)

    monkeypatch.setattr(Cards, "bury", twice)
    assert await store.for_owner("u1").delete_session("a") == 2
    assert await store.session("a", owner="u1").get_items() == [USER]


async def test_a_session_is_not_deleted_when_it_changes_its_owner(database, monkeypatch):
    store = MongoSessionStore(database)
    await add(store, "a", 2, "u1")
    find, is_made_again = Cards.find, False

    async def find_and_make_again(cards: Cards, session_id: str) -> Any:
        nonlocal is_made_again
        found = await find(cards, session_id)
        if not is_made_again:
            is_made_again = True
            other = MongoSessionStore(database)
            await other.delete_session(session_id)
            await add(other, session_id, 1, "u2")
        return found

    monkeypatch.setattr(Cards, "find", find_and_make_again)
    with pytest.raises(WrongOwner):
        await store.for_owner("u1").delete_session("a")
    assert await store.session("a", owner="u2").get_items() == [USER]


async def test_an_owner_is_deleted(any_database, monkeypatch):
    monkeypatch.setattr(deletions, "_PAGE", 3)
    store = MongoSessionStore(any_database)
    for number in range(8):
        await add(store, f"s{number}", number % 3, "u1")
    await add(store, "other", 2, "u2")
    await add(store, "unowned", 1, None)
    told: list[Deleted] = []
    deleted = await store.delete_owner("u1", progress=told.append)
    assert deleted == told[-1] == Deleted(8, 7)
    assert [one.sessions for one in told] == [*range(1, 9)]
    assert await store.list_sessions(owner="u1") == []
    assert [info.session_id for info in await store.list_sessions()] == ["other", "unowned"]
    assert await store.delete_owner("u1") == Deleted(0, 0)


async def test_a_deletion_of_an_owner_that_was_stopped_goes_on(database):
    store = MongoSessionStore(database)
    for number in range(5):
        await add(store, f"s{number}", 1, "u1")

    def stop(deleted: Deleted) -> None:
        if deleted.sessions == 2:
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        await store.delete_owner("u1", progress=stop)
    assert len(await store.list_sessions()) == 3
    assert await store.delete_owner("u1") == Deleted(3, 3)


async def test_a_deletion_that_ended_between_items_and_card_is_completed(database, monkeypatch):
    store = MongoSessionStore(database)
    await add(store, "a", 2, "u1")
    with monkeypatch.context() as patch:
        patch.setattr(Cards, "bury", None)
        with pytest.raises(TypeError):
            await store.delete_owner("u1")
    assert [card.session_id for card in await store.list_sessions(owner="u1")] == ["a"]
    assert await store.delete_owner("u1") == Deleted(1, 0)
    assert await store.list_sessions(owner="u1") == []


async def test_a_deletion_of_an_owner_ends_while_the_owner_goes_on(database):
    store = MongoSessionStore(database)
    for number in range(5):
        await add(store, f"s{number}", 1, "u1")
    made: list[str] = []
    bury = Cards.bury

    async def bury_and_make_again(cards: Cards, session_id: str, *args: Any, **how: Any) -> Any:
        found = await bury(cards, session_id, *args, **how)
        made.append(session_id)
        await add(MongoSessionStore(database), session_id, 1, "u1")
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cards, "bury", bury_and_make_again)
        assert await store.delete_owner("u1") == Deleted(5, 5)
    assert len(made) == 5
    assert await store.delete_owner("u1") == Deleted(5, 5)


async def test_idle_sessions_are_deleted(any_database):
    store = MongoSessionStore(any_database)
    for name, items in (("old", 3), ("old_empty", 0), ("new", 2), ("new_empty", 0), ("mixed", 1)):
        await add(store, name, items, "u1")
    await add(store, "old_without_card", 1, None)
    for name in ("old", "old_empty", "mixed", "old_without_card"):
        await age(any_database, name, timedelta(days=400))
    await any_database["session_items_cards"].delete_one({"_id": "old_without_card"})
    await store.session("mixed").get_items()
    await store.session("mixed").add_items([USER])
    told: list[Deleted] = []
    deleted = await MongoSessionStore(any_database).delete_idle(
        timedelta(days=399), progress=told.append
    )
    assert deleted == told[-1] == Deleted(3, 4)
    assert [info.session_id for info in await store.list_sessions()] == ["mixed", "new"]
    left = {card.session_id for card in await store.list_sessions(owner="u1")}
    assert left == {"mixed", "new", "new_empty"}
    assert await store.delete_idle(timedelta(days=399)) == Deleted(0, 0)


async def test_an_idle_session_that_becomes_active_is_not_deleted(database):
    store = MongoSessionStore(database)
    for name in ("a", "b"):
        await add(store, name, 1, "u1")
        await age(database, name, timedelta(days=2))
    deletion = SessionLog.delete

    async def late(log: SessionLog, *args: Any, **how: Any) -> Any:
        """The append has passed the check of the owner before the deletion began."""
        if log.session_id == "a":
            await add(MongoSessionStore(database), "a", 1, None)
        return await deletion(log, *args, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SessionLog, "delete", late)
        assert await store.delete_idle(timedelta(days=1)) == Deleted(1, 1)
    assert await store.session("a", owner="u1").get_items() == [USER] * 2


@pytest.mark.parametrize(
    ("idle", "error"),
    [(5, TypeError), (timedelta(0), ValueError), (timedelta(days=40_000), ValueError)],
)
async def test_a_bad_age_is_refused(store, idle, error):
    with pytest.raises(error, match="idle must be"):
        await store.delete_idle(idle)


@pytest.mark.parametrize("delete", ["delete_owner", "delete_idle"])
async def test_bad_arguments_are_refused(store, delete):
    first: Any = "u1" if delete == "delete_owner" else timedelta(days=1)
    with pytest.raises(TypeError, match="progress must be a callable"):
        await getattr(store, delete)(first, progress=5)
