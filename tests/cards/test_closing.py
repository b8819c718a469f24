"""A deletion marks the card first: nothing of its owner comes between barrier and tombstone."""

from __future__ import annotations

from typing import Any

import pytest
from agents import RunContextWrapper

from mongo_sessions import Conflict, Deleted, MongoSessionStore, WrongOwner
from mongo_sessions.history.session_log import SessionLog
from mongo_sessions.log.cards.cards import Cards

USER: Any = {"role": "user", "content": "hello"}


class Killed(Exception):
    """The process ends here."""


async def make(database: Any, owner: str | None = "u1", items: int = 2) -> MongoSessionStore:
    store = MongoSessionStore(database)
    session = store.session("a", owner=owner)
    await session.add_items([USER] * items)
    await session.flush()
    return store


async def is_of_u1(database: Any, items: list[Any]) -> None:
    """Another owner is refused, the owner is not, and the deletion of the owner finds it."""
    store = MongoSessionStore(database)
    with pytest.raises(WrongOwner, match="belongs to another owner"):
        await store.session("a", owner="u2").get_items()
    assert await store.session("a", owner="u1").get_items() == items
    assert await store.delete_owner("u1") == Deleted(1, len(items))
    assert await database["session_items"].count_documents({"item": {"$exists": True}}) == 0


async def test_an_append_between_barrier_and_tombstone_keeps_its_owner(database, monkeypatch):
    store, other = await make(database), MongoSessionStore(database)
    bury = Cards.bury

    async def late(cards: Cards, *args: Any, **how: Any) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Cards, "bury", bury)
            await other.session("a", owner="u1").add_items([USER])  # its touch is never written
        await bury(cards, *args, **how)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Cards, "bury", late)
        with pytest.raises(Killed):
            await store.delete_session("a")
    await is_of_u1(database, [USER])


async def interrupted(database: Any, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """A deletion of the session that ends before this step."""
    cls: Any = {"delete": SessionLog, "bury": Cards}[step]
    store = await make(database)

    async def killed(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(cls, step, killed)
        with pytest.raises(Killed):
            await store.delete_session("a")
    assert (await card(database))["closing"].keys() == {"token", "newest"}


async def card(database: Any) -> dict[str, Any]:
    return await database["session_items_cards"].find_one({"_id": "a"})


@pytest.mark.parametrize("step", ["delete", "bury"])
async def test_the_owner_completes_an_interrupted_deletion(database, monkeypatch, step):
    await interrupted(database, monkeypatch, step)
    session = MongoSessionStore(database).session("a", owner="u1")
    run = RunContextWrapper(None)
    assert await session.get_items(wrapper=run) == []
    await session.add_items([USER], wrapper=run)
    assert "closing" not in await card(database)
    barriers = {"session_id": "a", "deleted": True}
    assert await database["session_items"].count_documents(barriers) == 1
    await is_of_u1(database, [USER])


@pytest.mark.parametrize("step", ["delete", "bury"])
async def test_another_owner_is_refused_until_a_deletion_is_completed(database, monkeypatch, step):
    await interrupted(database, monkeypatch, step)
    await is_of_u1(database, [])


@pytest.mark.parametrize("step", ["delete", "bury"])
async def test_the_next_deletion_completes_an_interrupted_one(any_database, monkeypatch, step):
    await interrupted(any_database, monkeypatch, step)
    store = MongoSessionStore(any_database)
    assert [one.session_id for one in await store.list_sessions(owner="u1")] == ["a"]
    assert await store.delete_owner("u1") == Deleted(1, 2 if step == "delete" else 0)
    assert await store.list_sessions(owner="u1") == []
    await store.session("a", owner="u2").add_items([USER])
    assert await store.session("a", owner="u2").get_items() == [USER]


@pytest.mark.parametrize("step", ["delete", "bury"])
async def test_a_deletion_completes_the_one_that_is_under_way(database, monkeypatch, step):
    """Each would take the mark of the other, and neither would end."""
    cls: Any = {"delete": SessionLog, "bury": Cards}[step]
    original = getattr(cls, step)
    store, other = await make(database), MongoSessionStore(database)
    of_other: list[Any] = []

    async def late(self: Any, *args: Any, **how: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(cls, step, original)
            of_other.append(await other.for_owner("u1").delete_session("a"))
        return await original(self, *args, **how)

    with monkeypatch.context() as patch:
        patch.setattr(cls, step, late)
        items = await store.for_owner("u1").delete_session("a")
    assert {items, *of_other} <= {0, 2}
    assert max(items, *of_other) == 2
    assert await store.session("a").card() is None
    barriers = {"session_id": "a", "deleted": True}
    assert await database["session_items"].count_documents(barriers) == 1


async def test_an_interrupted_deletion_of_a_session_in_use_is_given_up(database, monkeypatch):
    await interrupted(database, monkeypatch, "delete")
    store = MongoSessionStore(database)
    await store.session("a").add_items([USER])  # without an owner, it is not checked
    assert await store.session("a", owner="u1").get_items() == [USER] * 3
    assert "closing" not in await card(database)


async def test_a_deletion_of_a_session_that_is_used_meanwhile_leaves_no_mark(database, monkeypatch):
    store = await make(database)
    delete = SessionLog.delete

    async def late(log: SessionLog, *args: Any, **how: Any) -> Any:
        await MongoSessionStore(database).session("a").add_items([USER])
        return await delete(log, *args, **how)

    with monkeypatch.context() as patch:
        patch.setattr(SessionLog, "delete", late)
        with pytest.raises(Conflict, match="is being written to, and was not deleted"):
            await store.for_owner("u1").delete_session("a")
    assert "closing" not in await card(database)


async def test_a_card_that_is_assigned_during_a_deletion_is_deleted(database, monkeypatch):
    store = await make(database, owner=None)
    delete = SessionLog.delete

    async def late(log: SessionLog, *args: Any, **how: Any) -> Any:
        await MongoSessionStore(database).session("a").update_card(owner="u1")
        return await delete(log, *args, **how)

    with monkeypatch.context() as patch:
        patch.setattr(SessionLog, "delete", late)
        assert await store.delete_session("a") == 2
    assert await store.session("a").card() is None


async def test_a_run_that_reads_between_barrier_and_tombstone_keeps_its_owner(
    database, monkeypatch
):
    """Its check of the owner came before the mark, and its read after the barrier."""
    store, other = await make(database), MongoSessionStore(database)
    session, run = other.session("a", owner="u1"), RunContextWrapper(None)
    newest = SessionLog.newest_documents

    async def killed(*_: Any, **__: Any) -> None:
        raise Killed

    async def late(log: SessionLog, limit: int | None) -> Any:
        monkeypatch.setattr(SessionLog, "newest_documents", newest)
        with monkeypatch.context() as patch:
            patch.setattr(Cards, "bury", killed)
            with pytest.raises(Killed):
                await store.delete_session("a")
        return await newest(log, limit)

    monkeypatch.setattr(SessionLog, "newest_documents", late)
    assert await session.get_items(wrapper=run) == []
    await session.add_items([USER], wrapper=run)
    assert "closing" not in await card(database)
    await is_of_u1(database, [USER])


async def test_a_field_that_a_newer_version_adds_to_the_mark_is_ignored(database, monkeypatch):
    await interrupted(database, monkeypatch, "delete")
    newer = {"$set": {"closing.reason": "idle"}}
    await database["session_items_cards"].update_one({"_id": "a"}, newer)
    assert await MongoSessionStore(database).session("a", owner="u1").get_items() == []
