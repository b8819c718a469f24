"""``session.summary()`` and ``session.forget_summary()``, also while a summary is made."""

from __future__ import annotations

import asyncio

import pytest

from mongo_sessions import MongoSessionStore
from mongo_sessions.policies import FoldPhase
from tests.support.conversations import rejections
from tests.support.folding import anchors, is_summary, policy_of, raw, store_of
from tests.support.scribes import BadScribe, HeldScribe, Scribe, tokens, turns, user


async def folded(database, scribe, last=12):
    """A session with several summaries, and its store."""
    session = store_of(database, scribe).session("a")
    for n in range(1, last + 1):
        await session.add_items(turns(n, n))
        await session.flush()
    return session


async def test_the_summary_is_shown_with_its_ranges_and_texts(database):
    session = store_of(database, Scribe()).session("a")
    assert await session.summary() is None
    session = await folded(database, Scribe())
    summary = await session.summary()
    assert summary.anchor_seq == (await anchors(database))[-1] == 18
    assert [(s.covers.first_seq, s.covers.last_seq) for s in summary.segments][0][0] == 1
    ends = [s.covers.last_seq + 1 for s in summary.segments[:-1]]
    assert ends == [s.covers.first_seq for s in summary.segments[1:]]
    assert summary.text in (await session.get_items())[0]["content"]
    printed = str(summary)
    assert all(segment.text in printed for segment in summary.segments)
    assert "[items 1 to " in printed
    assert "question-" not in repr(summary), "a repr lands in logs"


async def test_a_summary_of_another_policy_is_not_shown(database):
    session = store_of(database, Scribe()).session("a")
    await session.add_items(turns(1, 1))
    history = await session._history()
    newest = await anext(history.newest_first())
    assert await history.save_summary(newest, {"text": "by another policy"})
    assert await session.summary() is None
    assert await session.forget_summary() == 1


async def test_forgetting_removes_all_summaries_and_no_item(any_database):
    session = await folded(any_database, Scribe())
    before = await raw(any_database)
    assert await session.forget_summary() == len([d for d in before if "summary" in d]) == 3
    assert await session.forget_summary() == 0
    assert await session.summary() is None
    after = await raw(any_database)
    assert after == [{k: v for k, v in d.items() if k != "summary"} for d in before]
    other = MongoSessionStore(any_database, token_counter=tokens).session("b")
    assert await other.forget_summary() == 0


async def test_the_next_folds_begin_with_the_oldest_items(database):
    session = await folded(database, Scribe())
    await session.forget_summary()
    scribe = Scribe()
    again = store_of(database, scribe).session("a")
    await again.add_items([user(13)])
    await again.flush()
    assert "question-1 " in scribe.requests[0].transcript
    assert scribe.requests[0].summary_so_far == ""
    store = MongoSessionStore(database, token_counter=tokens)
    await store.fold_pending(policy_of(scribe))
    assert await anchors(database) == [6, 12, 18]


async def test_another_session_object_notices_and_folds_again(database):
    """It has remembered that no fold is due; its next read tells it that one is."""
    scribe = Scribe()
    session = await folded(database, scribe)
    asked = len(scribe.requests)
    elsewhere = MongoSessionStore(database, token_counter=tokens).session("a")
    await session.get_items()
    assert session._state.skip_maintenance_until > 1_201
    assert await elsewhere.forget_summary() == 3
    await session.get_items()
    await session.add_items([user(13, words=1)])
    await session.flush()
    assert len(scribe.requests) > asked
    assert (await session.summary()).segments[0].covers.first_seq == 1


async def test_the_own_session_folds_at_the_next_write(database):
    scribe = Scribe()
    session = await folded(database, scribe)
    asked = len(scribe.requests)
    await session.forget_summary()
    await session.add_items([user(13, words=1)])
    await session.flush()
    assert len(scribe.requests) > asked


@pytest.mark.parametrize("has_summary", [False, True])
async def test_a_fold_under_way_cannot_store_its_result(database, has_summary):
    """With the first block, too: the anchor is the same before and after."""
    if has_summary:
        await folded(database, Scribe(), last=10)
    held = HeldScribe()
    session = store_of(database, held).session("a")
    await session.add_items(turns(11, 20))
    await asyncio.wait_for(held.asked.wait(), 20)
    other = MongoSessionStore(database, token_counter=tokens).session("a")
    assert await other.forget_summary() == (2 if has_summary else 0)
    held.may_go_on.set()
    await session.flush()
    assert await anchors(database) == []
    assert not any("claim" in document for document in await raw(database))


async def test_a_lost_lease_is_not_renewed_for_the_next_request_of_a_fold(database):
    """A merge follows the first answer: its lease would otherwise be acquired anew."""
    session = await folded(database, Scribe(), last=24)
    held = HeldScribe()
    worker = store_of(database, held, input_tokens=512).session("a")
    await worker.add_items(turns(25, 28, words=100))
    await asyncio.wait_for(held.asked.wait(), 20)
    before = len(held.requests)
    await session.forget_summary()
    held.may_go_on.set()
    await worker.flush()
    assert len(held.requests) == before
    assert await anchors(database) == []


async def test_a_pause_after_a_failure_ends(database):
    session = store_of(database, BadScribe("raises")).session("a")
    await session.add_items(turns(1, 8))
    await session.flush()
    assert (await session.explain()).fold.phase is FoldPhase.PAUSED
    await session.forget_summary()
    assert (await session.explain()).fold.phase is FoldPhase.DUE


async def test_forgetting_while_workers_fold_write_and_read(database):
    """No reader sees an invalid view, and what is stored in the end covers all from item 1 on."""
    await folded(database, Scribe())
    workers = [store_of(database, Scribe()).session("a") for _ in range(3)]
    store = MongoSessionStore(database, token_counter=tokens)

    async def work(number):
        for n in range(12):
            await workers[number].add_items([user(100 * number + n)])
            shown = await workers[number].get_items()
            assert rejections(shown) == []
            assert sum(map(is_summary, shown)) <= 1
        await workers[number].flush()

    async def forget():
        for _ in range(6):
            await store.session("a").forget_summary()

    await asyncio.gather(forget(), *map(work, range(3)))
    await store.session("a").forget_summary()
    assert await anchors(database) == []
    await store.fold_pending(policy_of(Scribe()))
    summary = await store.session("a").summary()
    covered = [(s.covers.first_seq, s.covers.last_seq) for s in summary.segments]
    assert covered[0][0] == 1
    assert all(
        last + 1 == first for (_, last), (first, _) in zip(covered, covered[1:], strict=False)
    )
