"""A deletion takes a place of its own: the runs that have begun before it write no more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from agents import RunContextWrapper
from bson import ObjectId

from mongo_sessions import Conflict, MongoSessionStore, SessionDeleted, TokenLimit
from mongo_sessions.log.server import retries
from mongo_sessions.log.writes.delete import Closing
from tests.support.faults import failing
from tests.support.messages import ITEMS, documents, user

if TYPE_CHECKING:
    from mongo_sessions import MongoSession
    from mongo_sessions.log.writes.delete import Deletion


def a_run() -> RunContextWrapper[Any]:
    return RunContextWrapper(None)


async def begun(session: MongoSession, limit: int | None = None) -> RunContextWrapper[Any]:
    """A run that has read the session."""
    run = a_run()
    await session.get_items(limit, wrapper=run)
    return run


async def delete(store: MongoSessionStore, expected_last_seq: int | None = None) -> Deletion:
    log = await store.session("a")._log()
    end = await log.log.end_of("a")
    closing = Closing(ObjectId(), end.newest_id if end.seq == expected_last_seq else ObjectId())
    return await log.delete(closing, if_unchanged=expected_last_seq is not None)


async def test_a_deletion_returns_the_number_of_items_and_takes_the_next_place(any_database):
    store = MongoSessionStore(any_database)
    await store.session("a").add_items(ITEMS)
    await store.session("a").pop_item()
    assert await delete(store) == (5, 7)
    assert await delete(store) == (0, 8), "also without items"
    assert await store.session("a").get_items() == []
    assert await store.list_sessions() == []
    await store.session("a").add_items([user("new")])
    assert await store.session("a").get_items() == [user("new")]
    assert [entry.seq async for entry in store.session("a").entries()] == [9]
    left = await documents(any_database)
    assert all("gone_at" in document for document in left[:8]), "the server deletes them"
    assert not any("item" in document for document in left[:8])


async def test_a_deletion_may_expect_the_newest_place(any_database):
    store = MongoSessionStore(any_database)
    await store.session("a").add_items(ITEMS)
    await store.session("a").pop_item()
    for expected in (0, 5, 7):
        with pytest.raises(Conflict, match="session 'a' is in use again, and was not deleted"):
            await delete(store, expected)
    assert await store.session("a").get_items() == ITEMS[:5]
    assert (await delete(store, 6)).items == 5
    assert (await delete(store, 7)).items == 0


@pytest.mark.parametrize("policy", [None, TokenLimit(1_000)])
@pytest.mark.parametrize("before", [[], ITEMS])
@pytest.mark.parametrize("same", [True, False], ids=["same session object", "another"])
async def test_a_run_that_began_before_a_deletion_writes_nothing(
    any_database, policy, before, same
):
    store = MongoSessionStore(any_database, policy=policy)
    session = store.session("a")
    if before:
        await session.add_items(before)
    run = await begun(session)
    await session.add_items([user("asked")], wrapper=run)
    assert await store.delete_session("a") == len(before) + 1
    other = session if same else store.session("a")
    after = await begun(other)
    await other.add_items([user("new")], wrapper=after)
    for _ in range(2):
        with pytest.raises(SessionDeleted, match="'a' was deleted after this run had begun"):
            await session.add_items(ITEMS[:2], wrapper=run)
        with pytest.raises(SessionDeleted):
            await session.pop_item(wrapper=run)
        with pytest.raises(SessionDeleted):
            await session.clear_session(wrapper=run)
    await other.add_items([user("newer")], wrapper=after)
    assert await store.session("a").get_items() == [user("new"), user("newer")]


async def test_a_run_that_was_resumed_notices_a_deletion(any_database):
    store = MongoSessionStore(any_database)
    session = store.session("a")
    await session.add_items(ITEMS)
    run = await begun(session, limit=2)
    await store.delete_session("a")
    with pytest.raises(SessionDeleted):
        await session.add_items(ITEMS, wrapper=run)
    assert await session.get_items() == []


async def test_a_run_on_a_deleted_session_or_without_a_read_is_a_new_one(any_database):
    store = MongoSessionStore(any_database)
    session = store.session("a")
    await session.add_items(ITEMS)
    await store.delete_session("a")
    run = await begun(session)
    await session.add_items(ITEMS[:1], wrapper=run)
    await store.session("a").add_items(ITEMS[1:2], wrapper=a_run())
    await session.add_items(ITEMS[2:3], wrapper=run)
    assert await session.get_items() == ITEMS[:3]


async def test_a_clear_ends_no_run_and_hides_no_deletion(any_database):
    """Also if the clear comes before the items of the deletion are removed."""
    store = MongoSessionStore(any_database)
    session, other = store.session("a"), store.session("a")
    await session.add_items(ITEMS)
    run = await begun(session)
    await other.clear_session()
    await other.add_items([user("new")])
    await session.add_items([user("answer")], wrapper=run)
    assert await other.get_items() == [user("new"), user("answer")]
    barrier = await delete(store)
    items = any_database["session_items"]
    await items.update_one({"seq": barrier.seq}, {"$unset": {"gone_at": ""}})
    await other.add_items([user("newest")])
    await other.clear_session()
    with pytest.raises(SessionDeleted):
        await session.add_items([user("late")], wrapper=run)
    assert all("gone_at" in document for document in await documents(any_database))


async def test_only_the_batches_of_the_old_run_are_refused_in_a_group(store):
    session, other = store.session("a"), store.session("a")
    await session.add_items(ITEMS)
    old = await begun(session)
    await store.delete_session("a")
    new = await begun(other)
    results = await asyncio.gather(
        other.add_items([user("first")], wrapper=new),
        *(session.add_items([user("old")], wrapper=old) for _ in range(3)),
        other.add_items([user("second")], wrapper=new),
        other.add_items([user("third")]),
        return_exceptions=True,
    )
    assert [type(result) for result in results[1:4]] == [SessionDeleted] * 3
    assert results[0] is results[4] is results[5] is None
    texts = {item["content"] for item in await store.session("a").get_items()}
    assert texts == {"first", "second", "third"}


async def test_a_deletion_costs_a_run_no_round_trip(store, sent):
    """Neither before nor after it, unless the run is refused: also on a new session."""
    for _ in range(2):
        session = store.session("a")
        run = await begun(session)
        sent.clear()
        for _ in range(3):
            await session.add_items([user("question")], wrapper=run)
            await session.add_items(ITEMS[:2], wrapper=run)
        assert sent.names == ["insert", "insert", "commitTransaction"] * 3
        sent.clear()
        await store.delete_session("a")
        assert sent.names == ["find", "findAndModify", "update", "update", "find"]
        sent.clear()
        with pytest.raises(SessionDeleted):
            await session.add_items([user("answer")], wrapper=run)
        assert sent.names == ["insert", "find", "find"]


async def test_concurrent_deletions_and_appends_lose_nothing(any_database):
    """A reader may complete a removal: then the deletion does not count it."""
    store = MongoSessionStore(any_database)
    acknowledged = 0

    async def append(number: int) -> None:
        nonlocal acknowledged
        session = store.session("a")
        run = await begun(session)
        for n in range(10):
            try:
                await session.add_items([user(f"{number} {n}")], wrapper=run)
            except SessionDeleted:
                run = await begun(session)
            else:
                acknowledged += 1

    async def delete_some() -> int:
        return sum([await store.delete_session("a") for _ in range(5)])

    *_, first, second = await asyncio.gather(*map(append, range(4)), delete_some(), delete_some())
    left = len(await store.session("a").get_items())
    assert first + second + left <= acknowledged
    stored = await documents(any_database)
    assert sum("barrier" not in document for document in stored) == acknowledged
    assert [document["seq"] for document in stored] == list(range(1, acknowledged + 11))


async def test_a_deletion_whose_answer_is_lost_deletes_no_later_item(lossy_pair, monkeypatch):
    lossy, store, other, _ = lossy_pair
    await store.session("a").add_items(ITEMS)
    pause = retries.Backoff.pause_after

    async def pause_after(backoff: Any, error: Any) -> None:
        monkeypatch.setattr(retries.Backoff, "pause_after", pause)
        await other.session("a").add_items([user("new")])
        await pause(backoff, error)

    monkeypatch.setattr(retries.Backoff, "pause_after", pause_after)
    lossy.lose_answers_to("findAndModify")
    assert await delete(store, 6) == (6, 7)
    assert lossy.lost == 1
    assert await other.session("a").get_items() == [user("new")]


async def test_an_append_that_landed_before_the_deletion_is_acknowledged(lossy_pair, monkeypatch):
    """Its answer is lost, and the session is deleted before the next attempt."""
    lossy, store, other, _ = lossy_pair
    session = store.session("a")
    run = await begun(session)
    pause = retries.Backoff.pause_after

    async def pause_after(backoff: Any, error: Any) -> None:
        monkeypatch.setattr(retries.Backoff, "pause_after", pause)
        assert await other.delete_session("a") == 1
        await pause(backoff, error)

    monkeypatch.setattr(retries.Backoff, "pause_after", pause_after)
    lossy.lose_answers_to("insert")
    await session.add_items([user("landed")], wrapper=run)
    with pytest.raises(SessionDeleted):
        await session.add_items([user("late")], wrapper=run)
    assert await other.session("a").get_items() == []


async def test_a_deletion_is_retried_before_it_is_applied(database, store):
    await store.session("a").add_items(ITEMS)
    async with failing(database, "findAndModify", closeConnection=True):
        assert await delete(store) == (6, 7)
