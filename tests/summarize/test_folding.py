"""Summaries of sessions in MongoDB: when they are made, by whom, and what becomes of them."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import re
import sys
from datetime import datetime, timedelta, timezone

import pytest

from mongo_sessions import (
    FoldProgress,
    MongoSession,
    MongoSessionStore,
    SummarizeOlder,
    TokenLimit,
)
from mongo_sessions.policies.summarize.segments import from_summary
from tests.conftest import open_database
from tests.support.faults import Commands, failing
from tests.support.filling import fill
from tests.support.scribes import BAD, BadScribe, HeldScribe, Scribe, answer, tokens, turns, user


def policy_of(summarizer, **options) -> SummarizeOlder:
    """Of 1,000 tokens: 256 for the summary, 744 for the newest items; 279 are folded at a time."""
    return SummarizeOlder(summarizer, **{"max_tokens": 1_000, **options})


def store_of(database, summarizer, **options) -> MongoSessionStore:
    return MongoSessionStore(
        database, token_counter=tokens, policy=policy_of(summarizer, **options)
    )


def is_summary(item: dict) -> bool:
    return str(item.get("content")).startswith("<conversation_summary>\n")


async def raw(database) -> list[dict]:
    """The documents of all items that are there, without the marks of those that were removed."""
    with_item = {"item": {"$exists": True}}
    return await database["session_items"].find(with_item).sort("seq", 1).to_list(None)


async def let_claims_expire(database, collection: str = "session_items") -> None:
    now = datetime.now(timezone.utc)
    await database[collection].update_many(
        {"claim": {"$exists": True}}, {"$set": {"claim.until": now}}
    )


async def anchors(database) -> list[int]:
    return [document["seq"] for document in await raw(database) if "summary" in document]


async def test_a_summary_is_made_in_the_background_once_the_soft_limit_is_passed(database):
    scribe = HeldScribe()
    session = store_of(database, scribe).session("a")
    await session.add_items(turns(1, 5))
    await session.flush()
    assert scribe.requests == []
    await session.add_items(turns(6, 6))
    assert await session.get_items() == turns(1, 6), "nobody waits"
    await scribe.asked.wait()
    await session.add_items(turns(7, 7))
    assert await session.get_items() == turns(1, 7), "added while the summariser runs"
    scribe.may_go_on.set()
    await session.flush()
    view = await session.get_items()
    assert is_summary(view[0])
    assert view[1:] == turns(4, 7)
    assert await anchors(database) == [6]
    assert len(scribe.requests) == 1


async def test_the_originals_stay_and_the_summary_is_no_item(database):
    session = store_of(database, Scribe()).session("a")
    await session.add_items(turns(1, 5))
    before = await raw(database)
    await session.add_items([user(6)])
    await session.flush()
    await session.add_items([answer(6)])
    await session.flush()
    after = await raw(database)
    assert await anchors(database) == [6]
    assert [{k: v for k, v in d.items() if k != "summary"} for d in after[:10]] == before
    assert [document["item"] for document in after] == turns(1, 6)
    assert [document["turn"] for document in after] == [n for n in range(1, 7) for _ in "qa"]
    assert await session.get_items(limit=20) == turns(1, 6)
    assert [entry.item async for entry in session.entries()] == turns(1, 6)


@pytest.mark.parametrize("how", BAD, ids=str)
async def test_a_turn_goes_on_whatever_the_summariser_does(database, how, caplog):
    scribe = BadScribe(how)
    store = store_of(database, scribe, timeout=0.05)
    with caplog.at_level(logging.DEBUG, logger="mongo_sessions"):
        for n in range(1, 12):
            session = store.session("a")
            view = await session.get_items()
            assert view == turns(1, n - 1)[len(turns(1, n - 1)) - len(view) :]
            assert sum(map(tokens, view)) <= 744
            await session.add_items([user(n)])
            await session.add_items([answer(n)])
            await session.flush()
    assert len(scribe.requests) == 1
    assert await anchors(database) == []
    assert [record.levelname for record in caplog.records if record.levelno > logging.DEBUG] == [
        "WARNING"
    ]
    assert "word" not in caplog.text
    good = store_of(database, Scribe()).session("a")
    await let_claims_expire(database)
    await good.add_items([user(12)])
    await good.flush()
    assert is_summary((await good.get_items())[0]), "it recovers with the summariser"


# What removes a summary


async def summarised_session(database) -> MongoSession:
    """Turns 1 to 8 with a summary on item 6, by a policy that makes no further one."""
    session = store_of(database, Scribe()).session("a")
    await session.add_items(turns(1, 8))
    await session.flush()
    assert await anchors(database) == [6]
    return store_of(database, BadScribe(None)).session("a")


async def test_popping_past_the_anchor_removes_the_summary_with_it(database):
    session = await summarised_session(database)
    for left in range(15, 4, -1):
        assert is_summary((await session.get_items())[0])
        await session.pop_item()
        assert len(await session.get_items(limit=99)) == left
    assert await session.get_items() == turns(1, 3)[:5]
    await session.add_items([user(99)])
    assert await session.get_items() == [*turns(1, 3)[:5], user(99)], "in the place of the anchor"


async def test_popping_past_an_anchor_shows_the_one_before(database):
    store = store_of(database, Scribe())
    session = store.session("a")
    await session.add_items(turns(1, 20))
    await session.flush()
    while await store.fold_pending(session.policy):
        pass
    first, *_, last = await anchors(database)
    while len(await session.get_items(limit=99)) >= last:
        await session.pop_item()
    view = await store_of(database, BadScribe(None)).session("a").get_items()
    assert is_summary(view[0])
    assert len(await anchors(database)) >= 1
    assert f"question-{last // 2} " not in view[0]["content"]
    assert first in await anchors(database)


@pytest.mark.parametrize("how", ["clear", "delete"])
async def test_clearing_removes_the_summary(database, how):
    session = await summarised_session(database)
    await remove(session, how)
    assert await session.get_items() == []
    await session.add_items(turns(21, 22))
    assert await session.get_items() == turns(21, 22)


async def remove(session: MongoSession, how: str) -> None:
    match how:
        case "clear":
            await session.clear_session()
        case "delete":
            await MongoSessionStore(session._connections.current().database).delete_session("a")
        case "pop":
            while await session.pop_item():
                pass
        case "pop past the anchor":
            while len(await session.get_items(limit=99)) > 5:
                await session.pop_item()


REMOVALS = ["clear", "delete", "pop", "pop past the anchor"]


@pytest.mark.parametrize("how", REMOVALS)
@pytest.mark.parametrize("reused", [False, True])
async def test_what_is_removed_while_the_summariser_runs_is_never_summarised(database, how, reused):
    scribe = HeldScribe()
    session = store_of(database, scribe).session("a")
    await session.add_items(turns(1, 6))
    await scribe.asked.wait()
    other = store_of(database, BadScribe(None)).session("a")
    await remove(other, how)
    left = await other.get_items(limit=99)
    new = turns(21, 24) if reused else []
    await other.add_items(new)
    scribe.may_go_on.set()
    await session.flush()
    assert await anchors(database) == []
    assert await session.get_items() == [*left, *new]


async def test_nothing_more_is_paid_for_when_the_session_was_cleared_meanwhile(database):
    """A block that takes several requests: the session is cleared while the first is answered."""
    cleared = MongoSessionStore(database, token_counter=tokens).session("a")

    class Clearing(Scribe):
        async def __call__(self, request):
            await cleared.clear_session()
            return await super().__call__(request)

    scribe = Clearing()
    essay = {"role": "user", "content": "word " * 3_000}
    await cleared.add_items([essay, *turns(1, 6)])
    assert not (await policy_of(scribe, input_tokens=512).fold(await cleared._history())).report
    assert len(scribe.requests) == 1


@pytest.mark.parametrize("how", REMOVALS)
@pytest.mark.parametrize("reading", [1, 2])
async def test_what_is_removed_while_a_block_is_read_is_never_summarised(
    database, how, reading, monkeypatch
):
    """A worker has read some items; they are removed, and others follow.

    In its first reading, or in that after its claim. The end of the block is another one then.
    """
    scribe = Scribe()
    plain = MongoSessionStore(database, token_counter=tokens).session("a")
    await plain.add_items(turns(1, 8))
    history = await plain._history()
    original = type(history).oldest_first
    readings = 0

    async def removed_after_seven_items(self, after_seq=0):
        nonlocal readings
        readings += 1
        is_interrupted = readings == reading
        async for entry in original(self, after_seq):
            yield entry
            if is_interrupted and entry.seq == 7:
                break
        if is_interrupted:
            await remove(plain, how)
            await plain.add_items(turns(31, 40))
            async for entry in original(self, 7):
                yield entry

    monkeypatch.setattr(type(history), "oldest_first", removed_after_seven_items)
    policy = policy_of(scribe, fold_tokens=372)
    assert not (await policy.fold(history)).report
    assert readings == 2
    assert scribe.requests == []
    assert (await policy.fold(history)).report
    (anchor,) = await anchors(database)
    stored = [entry.item async for entry in plain.entries() if entry.seq <= anchor]
    (request,) = scribe.requests
    told = re.findall(r"(?:question|answer)-\d+ ", request.transcript)
    assert told == [item["content"].split("word")[0] for item in stored]


# Several workers


WORKER = """
import asyncio, json, sys
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from mongo_sessions import MongoSessionStore
from tests.support.scribes import Scribe, tokens
from tests.summarize.test_folding import store_of

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


async def test_the_claim_of_a_worker_that_died_expires_and_its_late_result_is_refused(database):
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


async def test_failures_back_off_across_workers_until_the_summariser_is_well_again(
    database, caplog
):
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


# Reads at the hard limit


async def test_a_read_past_the_hard_limit_waits_for_one_fold(database):
    await MongoSessionStore(database, token_counter=tokens).session("a").add_items(turns(1, 9))
    scribe = Scribe()
    view = await store_of(database, scribe).session("a").get_items()
    assert is_summary(view[0])
    assert view[1:] == turns(4, 9)
    assert len(scribe.requests) == 1


async def test_a_read_waits_no_longer_than_it_should_and_the_summary_is_made_nevertheless(database):
    await MongoSessionStore(database, token_counter=tokens).session("a").add_items(turns(1, 9))
    scribe = HeldScribe()
    session = store_of(database, scribe, wait_seconds=0.05).session("a")
    view = await session.get_items()
    assert view == turns(1, 9)[18 - len(view) :]
    assert 400 <= sum(map(tokens, view)) <= 744
    assert await session.get_items() == view
    assert len(scribe.requests) == 1, "the one under way is waited for"
    scribe.may_go_on.set()
    await session.flush()
    assert is_summary((await session.get_items())[0])
    assert len(scribe.requests) == 1


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


async def test_without_the_newest_summary_the_last_one_and_the_newest_turns_are_shown(database):
    """And it is said that something is missing in between."""
    await summarised_session(database)
    session = store_of(database, BadScribe("raises")).session("a")
    whole = await session.get_items()
    assert whole[1:] == turns(4, 8)
    await session.add_items(turns(9, 20))
    await session.flush()
    view = await session.get_items()
    assert is_summary(view[0])
    assert "is not shown" in view[0]["content"]
    assert "is not shown" not in whole[0]["content"]
    assert view[1:] == turns(4, 20)[34 - len(view) + 1 :]
    assert 400 < sum(map(tokens, view)) <= 1_000


async def test_in_the_foreground_a_read_folds_and_leaves_no_task_behind(database):
    scribe = Scribe()
    session = store_of(database, scribe, background=False).session("a")
    await session.add_items(turns(1, 6))
    assert scribe.requests == []
    await session.flush()
    before = asyncio.all_tasks()
    view = await session.get_items()
    assert is_summary(view[0])
    assert view[1:] == turns(4, 6)
    assert asyncio.all_tasks() == before
    assert len(scribe.requests) == 1


# Adoption


async def test_turned_on_for_a_session_of_100_000_items(database, driver, replica_set):
    """The first read costs what it costs in a small one; folding can be stopped, and goes on."""
    await fill(database, turns(1, 50_000, words=40), tokens)
    sent = Commands()
    async with open_database(driver, replica_set, event_listeners=[sent]) as listened:
        watched = listened.client.get_database(database.name)
        scribe = Scribe()
        store = store_of(watched, scribe, max_tokens=200_000, wait_seconds=60)
        session = store.session("a")
        await session.get_items(limit=1)
        sent.clear()
        view = await session.get_items()
        assert scribe.requests == [], "it waits for nothing"
        assert sent.names.count("find") <= 10
        assert sum(map(tokens, view)) <= 200_000
        assert view == turns(1, 50_000, words=40)[100_000 - len(view) :]
        # Each writer that is interrupted leaves one block more.
        for folded in range(1, 4):
            await store.session("a").add_items([user(50_000 + folded)])
            await store.session("a").flush()
            assert len(await anchors(database)) == len(scribe.requests) == folded
        assert is_summary((await session.get_items())[0])
        made = await store.fold_pending(session.policy)
        assert made == len(await anchors(database)) - 3 > 15
        covered = [s for d in await raw(database) for s in from_summary(d.get("summary"))[-1:]]
        assert covered[-1].last_seq > 90_000
        view = await session.get_items()
        assert is_summary(view[0])
        assert "is not shown" not in view[0]["content"]
        assert sum(map(tokens, view)) <= 200_000


# Folding for a cron job


async def prepared(database, *session_ids: str) -> None:
    """Sessions with a block due in each, and one without; the first named was used last."""
    plain = MongoSessionStore(database, token_counter=tokens)
    for session_id in reversed(session_ids):
        await plain.session(session_id).add_items(turns(1, 6))
        await clock_moves_on(database)
    await plain.session("short").add_items(turns(1, 2))


async def clock_moves_on(database) -> None:
    """To the next millisecond, which is as exact as dates are stored."""
    newest = max(document["created_at"] for document in await raw(database))
    while datetime.now(timezone.utc).replace(tzinfo=None) <= newest + timedelta(milliseconds=1):
        await asyncio.to_thread(lambda: None)


async def test_what_is_due_is_folded_longest_unused_first_and_progress_is_told(database):
    await prepared(database, "c", "a", "b")
    scribe = Scribe()
    store = store_of(database, scribe)
    told: list[FoldProgress] = []
    assert await store.fold_pending(store._policy, limit=2, progress=told.append) == 2
    reports = [progress.report for progress in told]
    assert told == [FoldProgress("b", 1, 3, 1, reports[0]), FoldProgress("a", 2, 3, 2, reports[1])]
    assert [(report.session_id, report.last_seq) for report in reports] == [("b", 6), ("a", 6)]
    first, second, *_ = scribe.requests
    assert [report.usage.input_tokens for report in reports] == [
        len(request.transcript.split()) for request in (first, second)
    ]
    assert await store.fold_pending(store._policy) == 1
    assert is_summary((await store.session("c").get_items())[0])
    assert await store.fold_pending(store._policy) == 0
    assert len(scribe.requests) == 3
    assert await store.session("short").get_items() == turns(1, 2)


async def test_folding_in_the_foreground_policy_works_for_a_cron_job_too(database):
    await prepared(database, "a")
    store = store_of(database, Scribe(), background=False)
    assert await store.fold_pending(store._policy) == 1


async def test_only_sessions_of_a_prefix_are_folded(database):
    await prepared(database, "ann/1", "bob/1")
    store = store_of(database, Scribe())
    assert await store.fold_pending(store._policy, prefix="ann/") == 1
    assert not is_summary((await store.session("bob/1").get_items())[0])


async def test_folding_can_be_interrupted_anywhere_and_gone_on_with(database):
    await fill(database, turns(1, 60), tokens)
    store = store_of(database, Scribe())

    def stop_at_two(progress: FoldProgress) -> None:
        if progress.summaries == 2:
            raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        await store.fold_pending(store._policy, progress=stop_at_two)
    assert len(await anchors(database)) == 2
    held = HeldScribe()
    task = asyncio.create_task(store.fold_pending(policy_of(held)))
    await held.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(await anchors(database)) == 2
    assert await store.fold_pending(store._policy) > 10
    summaries = [document["summary"] for document in await raw(database) if "summary" in document]
    covered = from_summary(summaries[-1])
    assert covered[0].first_seq == 1
    for older, newer in itertools.pairwise(covered):
        assert newer.first_seq == older.last_seq + 1


async def test_sessions_that_fail_do_not_keep_others_waiting_behind_them(database, caplog):
    """They have had their turn, and are passed over until their next one."""
    await prepared(database, *(f"{n}" for n in range(6)))

    class Selective(Scribe):
        async def __call__(self, request):
            await super().__call__(request)
            return "short" if len(self.requests) > 2 else ""

    store = store_of(database, Selective())
    told: list[FoldProgress] = []
    assert await store.fold_pending(store._policy, limit=2) == 0
    assert await store.fold_pending(store._policy, limit=2, progress=told.append) == 2
    assert [progress.session_id for progress in told] == ["3", "2"]
    assert "session '5'" in caplog.text


async def test_a_session_that_fails_does_not_keep_the_others_from_being_folded(database, caplog):
    await prepared(database, "b", "a")
    scribe = BadScribe("")
    store = store_of(database, scribe)
    assert await store.fold_pending(store._policy) == 0
    assert len(scribe.requests) == len(caplog.records) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"limit": 0}, "limit must be at least 1, got 0"),
        ({"prefix": None}, "prefix must be a str, got None"),
        ({"progress": Scribe()}, "progress is not awaited: .* got an object of tests.*Scribe"),
        ({"policy": TokenLimit(5)}, "policy must be a SummarizeOlder, got TokenLimit"),
    ],
)
async def test_wrong_arguments_of_fold_pending_are_named(database, arguments, message):
    store = MongoSessionStore(database)
    with pytest.raises((TypeError, ValueError), match=message):
        await store.fold_pending(**{"policy": policy_of(Scribe()), **arguments})


# The end of a process


async def test_flush_waits_for_the_summary_of_its_session_alone(database):
    scribe = HeldScribe()
    store = store_of(database, scribe)
    await store.session("a").add_items(turns(1, 6))
    await scribe.asked.wait()
    await store.session("b").flush()
    flushing = asyncio.create_task(store.session("a").flush())
    done, _ = await asyncio.wait({flushing}, timeout=0.05)
    assert not done
    scribe.may_go_on.set()
    await flushing
    assert await anchors(database) == [6]


async def test_a_flush_that_is_cancelled_does_not_cancel_the_summary(database):
    scribe = HeldScribe()
    session = store_of(database, scribe).session("a")
    await session.add_items(turns(1, 6))
    await scribe.asked.wait()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(session.flush(), 0.01)
    scribe.may_go_on.set()
    await session.flush()
    assert await anchors(database) == [6]


async def test_closing_the_store_waits_for_summaries(driver, replica_set, database):
    scribe = HeldScribe()
    store = store_of(database, scribe)
    await store.session("a").add_items(turns(1, 6))
    await scribe.asked.wait()
    closing = asyncio.create_task(store.close())
    done, _ = await asyncio.wait({closing}, timeout=0.05)
    assert not done
    scribe.may_go_on.set()
    await closing
    assert await anchors(database) == [6]


@pytest.mark.parametrize("background", [True, False])
def test_the_end_of_the_event_loop_leaves_the_summary_to_others(
    replica_set, background, recwarn, caplog
):
    """A script that neither flushes nor closes: nobody waits until its claim expires."""
    collection = f"script_{background}"

    def store_with(scribe, **options) -> MongoSessionStore:
        policy = policy_of(scribe, **options)
        return MongoSessionStore.from_uri(
            replica_set, "test_own", collection=collection, token_counter=tokens, policy=policy
        )

    async def script():
        scribe = HeldScribe()
        stores.append(store_with(scribe, background=background))
        session = stores[0].session("a")
        await session.add_items(turns(1, 6))
        reading = asyncio.create_task(session.get_items())
        await scribe.asked.wait()
        return reading

    async def the_next():
        async with store_with(Scribe()) as store:
            session = store.session("a")
            await session.add_items([user(7)])
            await session.flush()
            view = await session.get_items()
            await store.delete_session("a")
            return view

    stores = []
    asyncio.run(script())
    assert is_summary(asyncio.run(the_next())[0])
    asyncio.run(stores[0].close())  # or its client would complain to whatever test comes next
    assert list(recwarn) == []
    assert caplog.records == []


async def test_an_append_that_is_done_does_not_fail_because_the_store_was_closed_meanwhile(
    driver, replica_set
):
    """Its caller would write the batch again."""
    sent = Commands()
    async with open_database(driver, replica_set, event_listeners=[sent]) as database:
        session = store_of(database, Scribe()).session("a")
        await session.add_items(turns(1, 1))
        async with failing(database, "insert", blockConnection=True, blockTimeMS=100):
            seen = sent.expect("insert")
            adding = asyncio.create_task(session.add_items([user(2)]))
            await seen.wait()
            await session._connections.close(10)
            await adding
        assert len(await raw(database)) == 3


async def test_after_a_clear_folding_goes_on_as_in_a_new_session(database):
    """Also for a writer that does not read."""
    session = store_of(database, Scribe()).session("a")
    for n in range(30):
        await session.add_items(turns(n, n))
        await session.flush()
    await session.clear_session()
    for n in range(8):
        await session.add_items(turns(n, n))
        await session.flush()
    assert len(await anchors(database)) == 1


async def test_a_store_that_counts_nothing_folds_nothing(database):
    store = MongoSessionStore(database, token_counter=None)
    with pytest.raises(ValueError, match="needs token counts"):
        await store.fold_pending(policy_of(Scribe()))


async def test_items_that_were_stored_without_counts_are_found_by_a_cron_job(database):
    await MongoSessionStore(database, token_counter=None).session("a").add_items(turns(1, 20))
    store = store_of(database, Scribe())
    assert await store.fold_pending(store._policy) > 1
    assert is_summary((await store.session("a").get_items())[0])


async def test_a_reader_that_waited_in_vain_for_another_worker_does_not_go_on_waiting(database):
    held = HeldScribe()
    first = store_of(database, held).session("a")
    await first.add_items(turns(1, 9))
    await held.asked.wait()
    other = store_of(database, Scribe(), wait_seconds=0.05).session("a")
    assert not is_summary((await other.get_items())[0])
    await asyncio.wait_for(other.flush(), timeout=30)
    held.may_go_on.set()
    await first.flush()


async def test_an_error_of_the_database_in_the_background_is_logged_and_nothing_else(
    database, caplog
):
    session = store_of(database, Scribe()).session("a")
    await session.add_items(turns(1, 5))
    await session.flush()
    async with failing(database, "find", errorCode=13):
        await session.add_items(turns(6, 6))
        await session.flush()
    assert [record.getMessage() for record in caplog.records] == [
        "Background work on session 'a' failed: OperationFailure"
    ]
    await session.add_items([user(7)])
    await session.flush()
    assert is_summary((await session.get_items())[0])


class LongWorded(Scribe):
    """Few tokens, and many bytes."""

    async def __call__(self, request):
        await super().__call__(request)
        return "x" * 300_000


@pytest.mark.parametrize(("mebibytes", "anchor"), [(14.9, 6), (15.9, 8)])
async def test_an_item_without_room_for_a_summary_carries_none(database, mebibytes, anchor, caplog):
    """It stands where the anchor would be: then the block goes on to the next cut."""
    picture = "data:image/png;base64," + "A" * int(mebibytes * 1024 * 1024)
    large = {"role": "assistant", "content": [{"type": "output_image", "image_url": picture}]}
    scribe = LongWorded()
    session = store_of(database, scribe).session("a")
    await session.add_items([*turns(1, 2), user(3, words=80), large])
    await session.add_items(turns(4, 6))
    await session.flush()
    assert await anchors(database) == [anchor]
    assert is_summary((await session.get_items())[0])
    assert len(scribe.requests) == 1
    assert caplog.records == []


async def test_a_store_that_closes_waits_for_a_summariser_only_so_long(database, caplog):
    held = HeldScribe()
    store = store_of(database, held)
    session = store.session("a")
    await session.add_items(turns(1, 9))
    await held.asked.wait()
    await store.close(timeout=0.05)
    [warning] = caplog.messages
    assert warning.startswith("Background work was not done in 0.05 seconds, and is cancelled.")
    assert warning.endswith("Sessions: 'a'")
    assert not any("id" in document.get("claim", {}) for document in await raw(database))
    other = store_of(database, Scribe())
    assert await other.fold_pending(other._policy) > 0, "the claim was released"


async def test_a_session_of_its_own_closes_in_time_too(replica_set, caplog):
    held = HeldScribe()
    options = {"token_counter": tokens, "collection": "closing"}
    session = MongoSession.from_uri("a", uri=replica_set, policy=policy_of(held), **options)
    await session.clear_session()
    await session.add_items(turns(1, 9))
    await held.asked.wait()
    await session.close(timeout=0.05)
    assert "Sessions: 'a'" in caplog.text


async def test_a_client_that_is_closed_before_the_store_is_named_as_the_mistake(
    driver, replica_set, caplog
):
    held = HeldScribe()
    async with open_database(driver, replica_set) as database:
        session = store_of(database, held).session("a")
        await session.add_items(turns(1, 9))
        await held.asked.wait()
    held.may_go_on.set()
    await session.flush()
    assert caplog.messages[-1] == (
        "Background work on session 'a' failed: its client is closed. Call `await store.close()` "
        "before you close the client"
    )
