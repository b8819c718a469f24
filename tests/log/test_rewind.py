"""Back to the state after an entry, or a conflict."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from mongo_sessions import Conflict, MongoSessionStore, NoSuchEntry
from mongo_sessions.log.server import retries
from tests.conftest import open_database
from tests.support.clients import open_client
from tests.support.faults import Commands, LossyProxy, failing
from tests.support.messages import ITEMS, documents, user

if TYPE_CHECKING:
    from mongo_sessions import MongoSession


def counting(database: Any) -> MongoSessionStore:
    return MongoSessionStore(database, token_counter=lambda item: 10)


async def entries(session: MongoSession) -> list[Any]:
    return [entry async for entry in session.entries()]


async def test_a_rewind_goes_back_to_the_state_after_an_entry(any_database):
    store = counting(any_database)
    session, other = store.session("a"), store.session("a")
    await session.add_items(ITEMS)
    await other.get_items()
    assert await session.rewind(6) == 0
    assert await session.rewind(4, expected_last_seq=6) == 2
    assert await session.get_items() == ITEMS[:4]
    await other.add_items([user("new")])
    assert [(e.seq, e.total_tokens, e.turn) for e in await entries(session)][3:] == [
        (4, 40, 4),
        (8, 50, 5),
    ]
    (info,) = await store.list_sessions()
    assert (info.items, info.total_tokens) == (5, 50)
    assert await session.rewind(0) == 5
    assert await session.rewind(0, expected_last_seq=0) == 0
    assert await store.session("a").get_items() == []
    assert await store.list_sessions() == []
    await other.add_items([user("newer")])
    (entry,) = await entries(session)
    assert (entry.seq, entry.total_tokens, entry.turn) == (10, 10, 1)


async def test_a_rewind_to_no_entry_or_from_another_end_changes_nothing(any_database):
    session = counting(any_database).session("a")
    with pytest.raises(NoSuchEntry, match="there is no item 1 in session 'a'"):
        await session.rewind(1)
    assert await session.rewind(0) == 0
    await session.add_items(ITEMS)
    await session.clear_session()
    await session.add_items(ITEMS)
    await session.pop_item()
    for seq in (6, 12, 13):
        with pytest.raises(NoSuchEntry):
            await session.rewind(seq)
    for expected in (0, 10, 12):
        with pytest.raises(Conflict, match=f"at 11, and expected_last_seq is {expected}"):
            await session.rewind(8, expected_last_seq=expected)
    assert await session.get_items() == ITEMS[:5]
    assert await session.rewind(8, expected_last_seq=11) == 3
    with pytest.raises(NoSuchEntry):
        await session.rewind(9)
    assert await session.get_items() == ITEMS[:2]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((-1,), ValueError, "seq must be at least 0, got -1"),
        (("1",), TypeError, "seq must be a whole number, got '1'"),
        ((1, -1), ValueError, "expected_last_seq must be at least 0, got -1"),
        ((1, 2.0), TypeError, "expected_last_seq must be a whole number, got 2.0"),
    ],
)
async def test_bad_arguments_are_named(store, arguments, error, text):
    with pytest.raises(error, match=text):
        await store.session("a").rewind(*arguments)


async def test_of_two_edits_of_the_last_question_one_gets_a_conflict(database):
    for _ in range(10):
        store = counting(database)
        await store.session("a").clear_session()
        await store.session("a").add_items(ITEMS)
        *_, before, last = await entries(store.session("a"))
        results = await asyncio.gather(
            *(store.session("a").rewind(before.seq, last.seq) for _ in range(4)),
            return_exceptions=True,
        )
        assert results.count(1) == 1, results
        assert sum(isinstance(result, Conflict) for result in results) == 3
        assert await store.session("a").get_items() == ITEMS[:5]


@pytest.mark.parametrize("pops", [0, 10])
async def test_no_reader_sees_a_part_and_no_item_is_lost_beside_appends_and_pops(database, pops):
    """Whatever is acknowledged and not removed by a rewind or a pop is there."""
    store = counting(database)
    await store.session("a").add_items(ITEMS * 20)
    added, popped, removed = [], [], 0
    is_over = asyncio.Event()

    async def append(number: int) -> None:
        session = store.session("a")
        for n in range(20):
            await session.add_items([user(f"{number} {n}"), user("second")])
            added.append(n)

    async def pop() -> None:
        popped.extend([await store.session("a").pop_item() for _ in range(pops)])

    async def rewind() -> None:
        nonlocal removed
        for _ in range(10):
            found = await entries(store.session("a"))
            with suppress(NoSuchEntry):
                removed += await store.session("a").rewind(found[-3].seq)

    async def read() -> None:
        while not is_over.is_set():
            found = await entries(store.session("a"))
            whole = [10 * n for n in range(1, len(found) + 1)]
            # A pop between two appends of a session object makes its totals too high.
            assert pops or [entry.total_tokens for entry in found] == whole

    reading = asyncio.create_task(read())
    await asyncio.gather(append(1), append(2), pop(), rewind())
    is_over.set()
    await reading
    left = await store.session("a").get_items()
    number = sum(item is not None for item in popped)
    assert 20 * len(ITEMS) + 2 * len(added) == len(left) + number + removed
    assert [document["seq"] for document in await documents(database)] == list(
        range(1, len(await documents(database)) + 1)
    )


async def test_each_state_on_a_standalone_server_is_a_beginning(driver, standalone):
    listener = Commands()
    async with open_database(driver, standalone, event_listeners=[listener]) as database:
        session = counting(database).session("a")
        await session.add_items(ITEMS)
        listener.clear()
        assert await session.rewind(2) == 4
        assert await session.get_items() == ITEMS[:2]
        updates = [e.command for e in listener.started_events if e.command_name == "update"]
        stored = {document["_id"]: document["seq"] for document in await documents(database)}
        removed = [stored[update["updates"][0]["q"]["_id"]] for update in updates]
        assert removed == [6, 5, 4, 3]


@pytest.mark.parametrize("command", ["update", "commitTransaction"])
async def test_a_rewind_whose_answer_is_lost_is_made_once(driver, replica_set, command):
    with LossyProxy(urlsplit(replica_set).port) as lossy:
        async with (
            open_database(driver, f"{lossy.uri}&retryWrites=false") as one,
            open_client(driver, replica_set) as client,
        ):
            session = counting(one).session("a")
            other = counting(client.get_database(one.name)).session("a")
            await session.add_items(ITEMS)
            lossy.lose_answers_to(command)
            assert await session.rewind(3, expected_last_seq=6) == 3
            assert lossy.lost == 1
            assert await other.get_items() == ITEMS[:3]


async def test_a_rewind_that_was_committed_without_an_answer_is_found(database, monkeypatch):
    session = counting(database).session("a")
    await session.add_items(ITEMS)
    pause = retries.Backoff.pause_after

    async def pause_after(backoff: Any, error: Any) -> None:
        monkeypatch.setattr(retries.Backoff, "pause_after", pause)
        await counting(database).session("a").add_items([user("new")])
        await pause(backoff, error)

    monkeypatch.setattr(retries.Backoff, "pause_after", pause_after)
    unknown = {"code": 64, "errmsg": "waiting timed out"}
    async with failing(database, "commitTransaction", writeConcernError=unknown):
        assert await session.rewind(3, expected_last_seq=6) == 3
    assert await session.get_items() == [*ITEMS[:3], user("new")]


async def test_summaries_and_pins_go_with_their_items(store):
    session = store.session("a")
    await session.add_items(ITEMS)
    history = await session._history()
    all_entries = await entries(session)
    assert await history.save_summary(all_entries[1], {"text": "two"})
    assert await history.save_summary(all_entries[4], {"text": "five"})
    assert await history.claim(all_entries[5], 60)
    await session.rewind(3)
    assert (await history.latest_summary()).summary == {"text": "two"}
    assert not await history.save_summary(all_entries[5], {"text": "late"})
    await session.add_items(ITEMS)
    assert (await history.latest_summary()).summary == {"text": "two"}
