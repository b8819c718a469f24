"""Turns: one at a time, also across processes, lost answers and killed holders."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from bson import ObjectId
from pymongo import AsyncMongoClient

from mongo_sessions import MongoSessionStore, SessionBusy
from mongo_sessions.log.turns import Turns
from tests.support.clients import open_client
from tests.support.faults import LossyProxy, failing


async def stored(database: Any, session_id: str = "a") -> Any:
    return await database["session_items_cards"].find_one({"_id": session_id})


async def test_a_second_turn_is_refused_until_the_first_has_ended(any_database):
    store, other = MongoSessionStore(any_database), MongoSessionStore(any_database)
    async with store.session("a").turn() as turn:
        assert turn.is_held
        with pytest.raises(SessionBusy, match="turn of session 'a' is under way; waited 0 s"):
            await other.session("a").turn().__aenter__()
        async with other.session("b").turn():
            pass
        assert turn.is_held
    assert not turn.is_held
    async with other.session("a").turn():
        pass


async def test_turns_of_many_workers_never_overlap_and_all_get_one(database):
    stores = [MongoSessionStore(database) for _ in range(8)]
    inside, most = 0, 0

    async def work(store: MongoSessionStore) -> None:
        nonlocal inside, most
        for _ in range(3):
            async with store.session("new").turn(wait=120):
                inside += 1
                most = max(most, inside)
                await store.session("new").add_items([{"role": "user", "content": "x"}])
                inside -= 1

    await asyncio.gather(*map(work, stores))
    assert most == 1
    assert len(await stores[0].session("new").get_items()) == 24


async def test_of_two_first_turns_of_a_new_session_one_is_refused(database):
    stores = [MongoSessionStore(database) for _ in range(6)]
    for n in range(5):
        turns = [store.session(f"new-{n}").turn() for store in stores]
        results = await asyncio.gather(
            *(turn.__aenter__() for turn in turns), return_exceptions=True
        )
        assert [type(one) for one in results].count(SessionBusy) == 5
        assert [turn.is_held for turn in turns].count(True) == 1
        for turn in turns:
            await turn.__aexit__()


async def test_a_killed_holder_blocks_no_longer_than_its_lease(database, store):
    turns = (await store._connections.current().log()).turns
    assert await turns.acquire("a", ObjectId(), 1)  # and nothing prolongs it
    with pytest.raises(SessionBusy):
        await store.session("a").turn().__aenter__()
    async with store.session("a").turn(wait=60) as turn:
        assert turn.is_held


async def test_a_lease_is_prolonged_while_the_block_runs(database, store, monkeypatch):
    prolonged, prolong = asyncio.Semaphore(0), Turns.prolong

    async def counting(*arguments: Any) -> bool:
        result = await prolong(*arguments)
        prolonged.release()
        return result

    monkeypatch.setattr(Turns, "prolong", counting)
    async with store.session("a").turn(lease=3) as turn:
        until = [(await stored(database))["turn"]["until"]]
        for _ in range(2):
            await prolonged.acquire()
            until.append((await stored(database))["turn"]["until"])
        assert until == sorted(set(until))
        assert turn.is_held


async def test_a_holder_that_has_lost_its_lease_is_told_and_removes_no_other(
    database, store, caplog
):
    cards = database["session_items_cards"]
    async with store.session("a").turn(lease=1) as turn:
        other = {"id": ObjectId(), "until": (await stored(database))["turn"]["until"]}
        await cards.update_one({"_id": "a"}, {"$set": {"turn": other}})
        while turn.is_held:  # noqa: ASYNC110 - until the next prolongation
            await asyncio.sleep(0.01)
        while not caplog.records:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert (await stored(database))["turn"]["id"] == other["id"]
    assert "has lost its lease of 1 s" in caplog.text


async def test_an_expired_lease_is_not_held_whatever_the_server_says(store, monkeypatch):
    async with store.session("a").turn() as turn:
        monkeypatch.setattr("mongo_sessions.session.turns.clocks", lambda: (10.0**12, 10.0**12))
        assert not turn.is_held


async def test_the_other_fields_of_the_document_stay(database, store):
    card = {"_id": "a", "title": "Greetings", "deleted_at": None}
    await database["session_items_cards"].insert_one(card)
    async with store.session("a").turn():
        during = await stored(database)
        assert {**card, "turn": during["turn"]} == during
    assert await stored(database) == card


async def test_a_lost_answer_does_not_make_the_session_busy(driver, replica_set):
    address = replica_set.partition("//")[2].partition("/")[0]
    with LossyProxy(int(address.split(":")[1])) as proxy:
        # Without retries of the driver, which would hide the lost answer.
        uri = f"{proxy.uri}&retryWrites=false"
        async with open_client(driver, uri) as client, AsyncMongoClient(replica_set) as direct:
            store = MongoSessionStore(client["lost_turns"])
            await store.session("a").get_items()
            for command in ("findAndModify", "update"):
                proxy.lose_answers_to(command)
                async with store.session("a").turn() as turn:
                    assert turn.is_held
            assert proxy.lost == 2
            assert "turn" not in await stored(direct["lost_turns"])
            await direct.drop_database("lost_turns")


async def test_a_cancelled_wait_leaves_no_lease(database, store, sent):
    sent.with_cards = True
    async with store.session("a").turn():
        waiting = asyncio.create_task(store.session("a").turn(wait=600).__aenter__())
        await sent.wait_for("findAndModify", 2)
        waiting.cancel()
        await asyncio.wait({waiting})
    assert "turn" not in await stored(database)
    ours = [task for task in asyncio.all_tasks() if "_keep" in str(task.get_coro())]
    assert ours == []


async def test_a_cancelled_entry_gives_its_lease_back(database, store, sent):
    sent.with_cards = True
    await store.session("a").get_items()
    how = {"blockConnection": True, "blockTimeMS": 300}
    async with failing(database, "findAndModify", times=1, **how):
        entering = asyncio.create_task(store.session("a").turn().__aenter__())
        await sent.wait_for("findAndModify", 1)
        entering.cancel()
        await asyncio.wait({entering})
    assert entering.cancelled()
    assert "turn" not in await stored(database)


async def test_a_failed_release_does_not_fail_the_turn(database, store, caplog):
    async with store.session("a").turn():
        await database.client.admin.command(
            {
                "configureFailPoint": "failCommand",
                "mode": {"times": 1},
                "data": {"failCommands": ["update"], "errorCode": 13},
            }
        )
    assert "was not released (OperationFailure)" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"wait": -1}, "wait must be positive, got -1"),
        ({"lease": 0}, "lease must be positive, got 0"),
        ({"lease": 0.5}, "lease must be at least 1 seconds, got 0.5"),
    ],
)
async def test_arguments_are_checked(store, arguments, message):
    with pytest.raises(ValueError, match=message):
        store.session("a").turn(**arguments)
