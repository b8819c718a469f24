"""Folding in MongoDB: triggers, waiting reads and stored summaries."""

from __future__ import annotations

import asyncio
import logging

import pytest

from mongo_sessions import MongoSessionStore
from mongo_sessions.policies.summarize.segments import from_summary
from tests.conftest import open_database
from tests.support.faults import Commands, failing
from tests.support.filling import fill
from tests.support.folding import (
    anchors,
    is_summary,
    let_claims_expire,
    raw,
    store_of,
    summarised_session,
)
from tests.support.scribes import BAD, BadScribe, HeldScribe, Scribe, answer, tokens, turns, user


async def test_a_fold_runs_in_the_background_after_the_soft_limit(database):
    scribe = HeldScribe()
    session = store_of(database, scribe).session("a")
    await session.add_items(turns(1, 5))
    await session.flush()
    assert scribe.requests == []
    await session.add_items(turns(6, 6))
    assert await session.get_items() == turns(1, 6), "reads do not wait"
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


async def test_a_fold_changes_no_item_and_adds_none(database):
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
async def test_a_turn_succeeds_with_a_failing_summariser(database, how, caplog):
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


async def test_a_read_past_the_hard_limit_waits_for_one_fold(database):
    await MongoSessionStore(database, token_counter=tokens).session("a").add_items(turns(1, 9))
    scribe = Scribe()
    view = await store_of(database, scribe).session("a").get_items()
    assert is_summary(view[0])
    assert view[1:] == turns(4, 9)
    assert len(scribe.requests) == 1


async def test_a_read_waits_at_most_wait_seconds_and_the_fold_completes(database):
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


async def test_without_the_newest_summary_the_last_one_and_the_newest_turns_are_shown(database):
    """A note marks the gap between them."""
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


async def test_folding_can_start_in_a_session_of_20_000_items(database, driver, replica_set):
    """The first read costs what it costs in a small one; folding can be stopped, and goes on."""
    await fill(database, turns(1, 10_000, words=40), tokens)
    sent = Commands()
    async with open_database(driver, replica_set, event_listeners=[sent]) as listened:
        watched = listened.client.get_database(database.name)
        scribe = Scribe()
        store = store_of(watched, scribe, max_tokens=40_000, wait_seconds=60)
        session = store.session("a")
        await session.get_items(limit=1)
        sent.clear()
        view = await session.get_items()
        assert scribe.requests == [], "it waits for nothing"
        assert sent.names.count("find") <= 10
        assert sum(map(tokens, view)) <= 40_000
        assert view == turns(1, 10_000, words=40)[20_000 - len(view) :]
        # Each writer that is interrupted leaves one block more.
        for folded in range(1, 3):
            await store.session("a").add_items([user(10_000 + folded)])
            await store.session("a").flush()
            assert len(await anchors(database)) == len(scribe.requests) == folded
        assert is_summary((await session.get_items())[0])
        made = await store.fold_pending(session.policy)
        assert made == len(await anchors(database)) - 2 > 15
        covered = [s for d in await raw(database) for s in from_summary(d.get("summary"))[-1:]]
        assert covered[-1].last_seq > 18_000
        view = await session.get_items()
        assert is_summary(view[0])
        assert "is not shown" not in view[0]["content"]
        assert sum(map(tokens, view)) <= 40_000


async def test_a_database_error_in_background_work_is_logged(database, caplog):
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
