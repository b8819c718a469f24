"""Pinned items stay visible, word for word, whatever is folded, by whom, and when."""

from __future__ import annotations

import asyncio

import pytest

from mongo_sessions import (
    CannotPin,
    GapMarkers,
    MongoSessionStore,
    Recall,
    TokenLimit,
    TrimToolOutputs,
)
from mongo_sessions.history.leases import Leases
from mongo_sessions.log.pins import Pins
from mongo_sessions.policies import HasFolds, HasMaintenance, policy_in_run, view_in_run
from mongo_sessions.policies.policy import HasPins
from tests.support.folding import anchors, is_summary, policy_of, raw, store_of
from tests.support.scribes import HeldScribe, Scribe, tokens, turns

PINNED = {"role": "user", "content": "the wifi key is\n\n  correct horse battery staple"}


async def forgetful(request):
    return "They talked."


async def summary_of(session) -> str:
    first = (await session.get_items())[0]
    return first["content"] if is_summary(first) else ""


async def seqs(session) -> list[int]:
    return [pin.seq for pin in await session.pinned()]


async def test_a_pinned_item_stays_visible_through_all_folds(any_database):
    session = store_of(any_database, forgetful).session("a")
    await session.add_items([PINNED])
    await session.pin(1)
    for number in range(1, 12):
        await session.add_items(turns(number, number, words=200))
        await session.flush()
    assert len(await anchors(any_database)) > 3
    content = await summary_of(session)
    assert ", item 1] user: the wifi key is\n    correct horse battery staple" in content
    assert await seqs(session) == [1]
    (pin,) = await session.pinned()
    assert pin.item == PINNED


async def test_an_item_that_is_folded_already_can_be_pinned_and_unpinned(any_database):
    session = store_of(any_database, forgetful).session("a")
    await session.add_items([PINNED, *turns(1, 8)])
    await session.flush()
    assert "horse" not in await summary_of(session)
    await session.pin(1)
    await session.pin(1)
    content = await summary_of(session)
    assert content.count("correct horse battery staple") == 1
    assert tokens({"content": content}) <= 256
    await session.unpin(1)
    assert "horse" not in await summary_of(session)
    assert await seqs(session) == []
    await session.unpin(1)


async def test_a_pin_from_long_ago_is_carried_on_by_later_folds(database):
    session = store_of(database, forgetful).session("a")
    await session.add_items([PINNED, *turns(1, 8)])
    await session.flush()
    await session.add_items(turns(9, 14))
    await session.flush()
    assert len(await anchors(database)) > 1
    await session.pin(1)
    assert "horse" in await summary_of(session)
    await session.add_items(turns(15, 22))
    await session.flush()
    assert "horse" in await summary_of(session)


@pytest.mark.parametrize("is_folded", [False, True], ids=["in the block", "folded before"])
async def test_a_pin_while_a_fold_is_under_way_is_not_lost(any_database, is_folded):
    if is_folded:
        session = store_of(any_database, forgetful).session("a")
        await session.add_items([PINNED, *turns(1, 6)])
        await session.flush()
    scribe = HeldScribe()
    session = store_of(any_database, scribe).session("a")
    await session.add_items([*([] if is_folded else [PINNED]), *turns(7, 14)])
    await scribe.asked.wait()
    await store_of(any_database, forgetful).session("a").pin(1)
    scribe.may_go_on.set()
    await session.flush()
    newest = (await raw(any_database))[(await anchors(any_database))[-1] - 1]
    assert [pin["seq"] for pin in newest["pins"]] == [1]
    assert "horse" in await summary_of(session)


async def test_an_unpin_while_a_fold_is_under_way_holds(database):
    scribe = HeldScribe()
    session = store_of(database, scribe).session("a")
    await session.add_items([PINNED])
    await session.pin(1)
    await session.add_items(turns(1, 8))
    await scribe.asked.wait()
    await session.unpin(1)
    scribe.may_go_on.set()
    await session.flush()
    assert not any("pins" in document for document in await raw(database))


async def test_many_pins_at_once_are_all_there(any_database):
    store = store_of(any_database, forgetful, max_tokens=4_000, fold_tokens=300)
    await store.session("a").add_items([*turns(1, 10, words=4), *turns(11, 20)])
    await asyncio.gather(*(store.session("a").pin(seq) for seq in range(1, 9)))
    await store.session("a").flush()
    assert await seqs(store.session("a")) == list(range(1, 9))
    content = await summary_of(store.session("a"))
    assert all(f", item {seq}]" in content for seq in range(1, 9))


async def test_what_has_no_room_is_refused_and_nothing_is_changed(any_database):
    session = store_of(any_database, forgetful).session("a")
    await session.add_items(turns(1, 8, words=80))
    await session.pin(1)
    with pytest.raises(CannotPin, match=r"with item 2, .* there is room for 64 tokens"):
        await session.pin(2)
    assert await seqs(session) == [1]
    with pytest.raises(CannotPin, match="there is no item 99 in session 'a'"):
        await session.pin(99)
    with pytest.raises(ValueError, match="seq must be at least 1, got 0"):
        await session.pin(0)
    with pytest.raises(ValueError, match=r"seq must be at most \d+, got 10{30}$"):
        await session.pin(10**30)


@pytest.mark.parametrize("policy", [None, TokenLimit(1_000)])
async def test_a_policy_that_shows_no_pins_is_named(database, policy):
    session = MongoSessionStore(database, token_counter=tokens).session("a", policy=policy)
    await session.add_items([PINNED])
    with pytest.raises(CannotPin, match=r"SummarizeOlder shows pinned items"):
        await session.pin(1)


async def test_pop_and_clear_remove_pins(any_database):
    session = store_of(any_database, forgetful).session("a")
    await session.add_items([*turns(1, 8), PINNED])
    await session.pin(17)
    assert await seqs(session) == [17]
    await session.pop_item()
    assert await seqs(session) == []
    await session.pin(1)
    await session.flush()
    await session.clear_session()
    assert await seqs(session) == []
    with pytest.raises(CannotPin):
        await session.pin(1)
    documents = await any_database["session_items"].find({}).to_list(None)
    assert not any({"pinned", "pins"} & document.keys() for document in documents)
    await session.add_items([PINNED, *turns(1, 8)])
    await session.flush()
    assert "horse" not in await summary_of(session)


async def test_after_the_summary_is_forgotten_the_next_folds_carry_the_pins(any_database):
    session = store_of(any_database, forgetful).session("a")
    await session.add_items([PINNED, *turns(1, 8)])
    await session.pin(1)
    await session.flush()
    await session.forget_summary()
    assert not any("pins" in document for document in await raw(any_database))
    store = store_of(any_database, Scribe())
    await store.fold_pending(policy_of(Scribe()))
    assert "horse" in await summary_of(store.session("a"))


async def test_pins_of_another_session_are_not_shown(any_database):
    store = store_of(any_database, forgetful)
    for name in "ab":
        await store.session(name).add_items([PINNED, *turns(1, 8)])
        await store.session(name).flush()
    await store.session("a").pin(1)
    assert "horse" in await summary_of(store.session("a"))
    assert "horse" not in await summary_of(store.session("b"))
    assert await seqs(store.session("b")) == []


@pytest.mark.parametrize("change", ["pin", "unpin"])
async def test_a_change_between_the_last_look_of_a_fold_and_its_end_is_not_lost(
    any_database, monkeypatch, change
):
    save = Leases.save_summary

    async def after_a_change(*args):
        await getattr(store_of(any_database, forgetful).session("a"), change)(1)
        return await save(*args)

    session = store_of(any_database, forgetful, background=False).session("a")
    await session.add_items([PINNED, *turns(1, 8)])
    if change == "unpin":
        await session.pin(1)
    monkeypatch.setattr(Leases, "save_summary", after_a_change)
    content = await summary_of(session)
    assert ("horse" in content) is (change == "pin")
    assert await anchors(any_database)


async def test_after_a_worker_died_within_a_fold_the_next_fold_finds_the_pin(database, monkeypatch):
    save = Leases.save_summary

    async def after_a_pin(*args):
        await store_of(database, forgetful).session("a").pin(1)
        return await save(*args)

    async def killed(*args):
        raise asyncio.CancelledError

    session = store_of(database, forgetful, background=False).session("a")
    await session.add_items([PINNED, *turns(1, 8)])
    with monkeypatch.context() as dying:
        dying.setattr(Leases, "save_summary", after_a_pin)
        dying.setattr(Pins, "settle", killed)
        with pytest.raises(asyncio.CancelledError):
            await session.get_items()
    assert len(await anchors(database)) == 1
    await session.add_items(turns(9, 14))
    assert "horse" in await summary_of(session)
    assert len(await anchors(database)) == 2


@pytest.mark.parametrize("around", [Recall, GapMarkers, TrimToolOutputs])
async def test_a_policy_around_one_with_pins_and_folds_passes_them_on(database, around):
    policy = around(policy_of(forgetful))
    store = MongoSessionStore(database, token_counter=tokens, policy=policy)
    session = store.session("a")
    await session.add_items([PINNED, *turns(1, 12)])
    await session.pin(1)
    await session.flush()
    assert (await session.explain()).fold is not None
    assert "correct horse battery staple" in await summary_of(session)


@pytest.mark.parametrize("around", [Recall, GapMarkers, TrimToolOutputs])
def test_a_policy_around_one_without_slow_work_has_none(around):
    policy = around(TokenLimit(1_000))
    assert not isinstance(policy, (HasMaintenance, HasFolds, HasPins))


async def test_gap_markers_around_a_summary_do_not_summarise_inside_a_run():
    scribe = Scribe()
    policy = GapMarkers(policy_of(scribe, background=False))
    shown = await view_in_run(policy_in_run(policy), turns(1, 200), count_tokens=tokens)
    assert shown
    assert scribe.requests == []
