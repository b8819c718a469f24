"""Folding by several workers on one session: leases, back-off and waiting."""

from __future__ import annotations

import asyncio
import json
import sys

from mongo_sessions import MongoSessionStore
from tests.support.folding import anchors, is_summary, let_claims_expire, raw, store_of
from tests.support.scribes import BadScribe, HeldScribe, Scribe, answer, tokens, turns, user

WORKER = """
import asyncio, json, sys
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from mongo_sessions import MongoSessionStore
from tests.support.scribes import Scribe, tokens
from tests.support.folding import store_of

async def main(driver, uri, name):
    client = {"motor": AsyncIOMotorClient, "pymongo": AsyncMongoClient}[driver](uri)
    database = client.get_database(name)

    class Paid(Scribe):
        async def __call__(self, request):
            await database["bills"].insert_one({"transcript": request.transcript})
            return await super().__call__(request)

    session = store_of(database, Paid(), wait_seconds=60).session("a")
    await session.get_items(limit=1)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    view = await session.get_items()
    await session.flush()
    print(json.dumps([view, await session.get_items()]), flush=True)
    await asyncio.to_thread(client.close) if driver == "motor" else await client.close()

asyncio.run(main(*sys.argv[1:]))
"""


async def worker(driver, database, uri) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WORKER, driver, uri, database.name),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**20,
    )
    assert await process.stdout.readline() == b"ready\n"
    return process


async def test_two_processes_at_once_pay_for_one_summary_and_show_the_same(
    database, driver, replica_set
):
    """Both read a session that has outgrown its room: one folds, and the other waits for it."""
    await MongoSessionStore(database, token_counter=tokens).session("a").add_items(turns(1, 9))
    workers = await asyncio.gather(*(worker(driver, database, replica_set) for _ in range(2)))
    outputs = await asyncio.gather(*(process.communicate(b"go\n") for process in workers))
    assert [process.returncode for process in workers] == [0, 0]
    (first, then), (other_first, other_then) = (json.loads(output) for output, _ in outputs)
    assert first == then == other_first == other_then
    assert is_summary(first[0])
    assert first[1:] == turns(4, 9)
    assert await database["bills"].count_documents({}) == 1


async def test_many_workers_at_the_same_trigger_pay_for_one_summary(database):
    scribe = Scribe()
    stores = [store_of(database, scribe) for _ in range(8)]
    await MongoSessionStore(database, token_counter=tokens).session("a").add_items(turns(1, 6))
    for store in stores:
        await store.ensure_indexes()
    sessions = [store.session("a") for store in stores]
    await asyncio.gather(*(session.add_items([user(n)]) for n, session in enumerate(sessions)))
    await asyncio.gather(*(session.flush() for session in sessions))
    told = [request.transcript for request in scribe.requests]
    assert len(told) == len(set(told)) == len(await anchors(database))


async def test_the_claim_of_a_dead_worker_expires_and_its_late_summary_is_refused(database):
    dead = HeldScribe()
    session = store_of(database, dead).session("a")
    await session.add_items(turns(1, 6))
    await dead.asked.wait()
    scribe = Scribe()
    other = store_of(database, scribe).session("a")
    await other.add_items([user(7)])
    await other.flush()
    assert scribe.requests == [], "it is claimed"
    await let_claims_expire(database)
    await other.add_items([answer(7)])
    await other.flush()
    assert len(scribe.requests) == 1
    view = await other.get_items()
    dead.may_go_on.set()
    await session.flush()
    assert await session.get_items() == view
    assert len(await anchors(database)) == 1


async def test_failures_back_off_across_workers_until_the_summariser_recovers(database, caplog):
    scribe = BadScribe("raises")
    for n in range(1, 12):
        session = store_of(database, scribe).session("a")
        await session.add_items(turns(n, n))
        await session.flush()
    assert len(scribe.requests) == 1, "each worker knows of the failure of another"
    assert len(caplog.records) == 1
    last = store_of(database, scribe).session("a")
    await let_claims_expire(database)
    await last.add_items([user(12)])
    await last.flush()
    (failed,) = [document for document in await raw(database) if "claim" in document]
    assert failed["claim"]["failures"] == len(scribe.requests) == 2
    assert "in 30 seconds" in caplog.records[0].getMessage()
    assert "in 60 seconds" in caplog.records[1].getMessage()
    scribe.how = "short and good"
    await last.add_items([answer(12)])
    await last.flush()
    assert len(scribe.requests) == 2
    await let_claims_expire(database)
    await last.add_items([user(13)])
    await last.flush()
    assert is_summary((await last.get_items())[0])
    assert not any("claim" in document for document in await raw(database))


async def test_a_read_waits_for_the_fold_of_another_worker(database):
    held = HeldScribe()
    first = store_of(database, held).session("a")
    await first.add_items(turns(1, 9))
    await held.asked.wait()
    scribe = Scribe()
    reading = asyncio.create_task(store_of(database, scribe).session("a").get_items())
    done, _ = await asyncio.wait({reading}, timeout=0.3)
    assert not done
    held.may_go_on.set()
    view = await reading
    assert is_summary(view[0])
    assert scribe.requests == []


async def test_a_read_that_timed_out_on_another_worker_leaves_no_waiting_task(database):
    held = HeldScribe()
    first = store_of(database, held).session("a")
    await first.add_items(turns(1, 9))
    await held.asked.wait()
    other = store_of(database, Scribe(), wait_seconds=0.05).session("a")
    assert not is_summary((await other.get_items())[0])
    await asyncio.wait_for(other.flush(), timeout=30)
    held.may_go_on.set()
    await first.flush()
