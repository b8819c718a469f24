"""Cards: made behind an append, changed in one step, and never in the way of an append."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from mongo_sessions import InvalidItem, MongoSessionStore, WrongOwner
from mongo_sessions.cards import touches
from tests.support.clients import open_client
from tests.support.faults import Commands, LossyProxy, failing

USER: Any = {"role": "user", "content": "hello"}


async def test_a_card_is_made_behind_the_first_append(any_database):
    store = MongoSessionStore(any_database)
    session = store.session("a")
    assert await session.card() is None
    await session.add_items([USER])
    card = await session.card()
    assert card is not None
    assert (card.session_id, card.owner, card.title, card.metadata) == ("a", None, None, {})
    assert card.created_at == card.active_at


async def test_an_append_sends_one_command_and_the_cards_of_many_are_one_more(sent, database):
    sent.with_cards = True
    store = MongoSessionStore(database)
    await store.ensure_indexes()
    sessions = [store.session(f"s{number}") for number in range(20)]
    await sessions[0].add_items([USER])
    await sessions[0].flush()
    sent.clear()
    for session in sessions:
        await session.get_items()
        await session.add_items([USER])
        await session.add_items([USER])
    assert sent.names == ["find", "insert", "insert"] * 20
    sent.clear()
    await sessions[5].flush()
    assert sent.names == ["update"]
    assert len(await store.list_sessions(order="active")) == 20


async def test_the_card_is_written_a_second_later_by_itself(sent: Commands, database, monkeypatch):
    sent.with_cards = True
    monkeypatch.setattr(touches, "_DELAY_SECONDS", 0.01)
    written = sent.expect("update")
    await MongoSessionStore(database).session("a").add_items([USER])
    await asyncio.wait_for(written.wait(), 60)


async def test_a_card_is_written_once_a_minute(sent: Commands, database, monkeypatch):
    sent.with_cards = True
    session = MongoSessionStore(database).session("a")
    for seconds, writes in ((60.0, 1), (0.0, 3)):
        monkeypatch.setattr(touches, "_EVERY_SECONDS", seconds)
        sent.clear()
        for _ in range(3):
            await session.add_items([USER])
            await session.flush()
        assert sent.names.count("update") == writes


async def test_an_append_does_not_fail_with_its_card(database, caplog):
    store = MongoSessionStore(database, retry_for=5)
    session = store.session("a")
    await session.add_items([USER])
    async with failing(database, "update", "createIndexes", times="alwaysOn", errorCode=11601):
        await session.flush()
    assert "The cards of sessions are not updated: OperationFailure" in caplog.text
    await session.add_items([USER])
    assert await session.card() is not None


async def test_close_writes_the_cards(database):
    store = MongoSessionStore(database)
    await store.session("a").add_items([USER])
    await store.close()
    assert await MongoSessionStore(database).session("a").card() is not None


@pytest.mark.parametrize("owner", [None, "u1"])
async def test_a_change_leaves_what_it_does_not_name(any_database, owner):
    store = MongoSessionStore(any_database)
    session = store.session("a", owner=owner)
    metadata: Any = {"$set": "$title", "a.b": [1, 1.0, None], "big": 2**70, "": {}}
    await session.update_card(title="$owner", metadata=metadata)
    card = await session.update_card()
    assert (card.title, card.metadata, card.owner) == ("$owner", metadata, owner)
    assert await session.card() == card
    card = await session.update_card(title=None)
    assert (card.title, card.metadata) == (None, metadata)
    card = await session.update_card(metadata={"new": True}, title="t")
    assert (card.title, card.metadata) == ("t", {"new": True})
    assert (await session.update_card(metadata=None)).metadata == {}


async def test_a_new_card_of_an_old_session_has_the_time_of_its_newest_item(database):
    session = MongoSessionStore(database).session("a")
    await session.add_items([USER])
    [item] = [entry async for entry in session.entries()]
    await MongoSessionStore(database).session("a").update_card(title="t")
    card = await MongoSessionStore(database).session("a").card()
    assert card is not None
    assert card.active_at == item.created_at


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"title": 5}, TypeError, "title must be a str, got 5"),
        ({"title": "x" * 1025}, ValueError, "title must have at most 1,024 bytes, got 1,025"),
        ({"title": "\ud800"}, ValueError, "title must be valid Unicode"),
        ({"metadata": [1]}, InvalidItem, "metadata must be a dict, got list"),
        ({"metadata": {"a": {1}}}, InvalidItem, "metadata.a is of type set"),
        ({"metadata": {"a": "x" * 70_000}}, ValueError, "metadata must have at most 65,536 bytes"),
        ({"owner": None}, TypeError, "owner must be a str, got None"),
        ({"owner": ""}, ValueError, "owner must not be empty"),
    ],
)
async def test_a_bad_argument_is_refused_by_name(store, changes, error, message):
    with pytest.raises(error, match=message):
        await store.session("a").update_card(**changes)
    assert await store.session("a").card() is None


async def test_an_owner_is_assigned_once(any_database):
    store = MongoSessionStore(any_database)
    session = store.session("a")
    await session.add_items([USER])
    with pytest.raises(WrongOwner, match="without an owner"):
        await store.session("a", owner="u1").get_items()
    with pytest.raises(WrongOwner, match="opened with an owner"):
        await store.session("a", owner="u1").update_card(owner="u1")
    assert (await session.update_card(owner="u1")).owner == "u1"
    assert (await session.update_card(owner="u1", title="same")).owner == "u1"
    with pytest.raises(WrongOwner, match="another owner"):
        await session.update_card(owner="u2", title="other", metadata={"other": 1})
    card = await session.card()
    assert card is not None
    assert (card.owner, card.title, card.metadata) == ("u1", "same", {})
    assert await store.session("a", owner="u1").get_items() == [USER]


async def test_a_change_survives_a_lost_answer(replica_set, driver, database):
    port = int(replica_set.split(":")[2].partition("/")[0])
    with LossyProxy(port) as proxy:
        async with open_client(driver, proxy.uri) as client:
            store = MongoSessionStore(client.get_database(database.name))
            session = store.session("a", owner="u1")
            await session.add_items([USER])
            for command in ("findAndModify", "update"):
                proxy.lose_answers_to(command)
                await session.update_card(title=command)
                await store.session(command).add_items([USER])
                await store.session(command).flush()
                card = await session.card()
                assert card is not None
                assert card.title == command
                assert await store.session(command).card() is not None
            proxy.lose_answers_to("findAndModify")
            assert await store.session("new", owner="u2").get_items() == []
            card = await store.session("new", owner="u2").card()
            assert card is not None
            assert proxy.lost == 3


async def test_errors_have_no_text_of_the_card(database):
    session = MongoSessionStore(database, retry_for=5).session("a")
    async with failing(database, "findAndModify", times="alwaysOn", errorCode=11601):
        with pytest.raises(OperationFailure) as raised:
            await session.update_card(title="a secret", metadata={"a": "secret"})
    assert "secret" not in f"{raised.value} {raised.value.details}"


async def test_a_card_is_copied_to_a_new_session(any_database):
    store = MongoSessionStore(any_database)
    metadata: Any = {"$a": 2**70}
    await store.session("a", owner="u1").update_card(title="t", metadata=metadata)
    await store._connections.current().cards.copy("a", "b")
    card = await store.session("b", owner="u1").card()
    assert card is not None
    assert (card.owner, card.title, card.metadata) == ("u1", "t", metadata)
    await store._connections.current().cards.copy("unknown", "c")
    assert await store.session("c").card() is None
