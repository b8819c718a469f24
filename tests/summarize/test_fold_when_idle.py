"""After a pause, when a provider's cache has expired anyway, less than a full block is folded."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from mongo_sessions import SummarizeOlder
from mongo_sessions.policies.summarize.block import next_block
from tests.support.folding import anchors, history_of, in_foreground, is_summary, store_of
from tests.support.scribes import Scribe, turns

IDLE = timedelta(minutes=5)


def aged(history, *ages: float):
    """The history with its newest items this many minutes old, oldest first."""
    now = datetime.now(timezone.utc)
    start = len(history.entries) - len(ages)
    for index, age in enumerate(ages, start):
        created_at = now - timedelta(minutes=age)
        history.entries[index] = replace(history.entries[index], created_at=created_at)
    return history


@pytest.mark.parametrize(("minutes", "folds"), [(10, True), (2, False)])
async def test_a_read_after_a_pause_folds_less_than_a_full_block(minutes, folds):
    """400 tokens, a fold takes 279, and is due at 558."""
    policy = in_foreground(Scribe(), fold_when_idle=IDLE)
    history = aged(history_of(turns(1, 4)), *[minutes] * 8)
    view = await policy(history)
    assert is_summary(view[0]) is folds
    assert view[-2:] == turns(4, 4)
    assert await policy(history) == view, "once"


async def test_without_the_option_nothing_is_folded_early():
    view = await in_foreground(Scribe())(aged(history_of(turns(1, 4)), *[60] * 8))
    assert not is_summary(view[0])


async def test_a_small_history_is_never_folded():
    policy = in_foreground(Scribe(), fold_when_idle=IDLE)
    assert not is_summary((await policy(aged(history_of(turns(1, 2)), *[60] * 4)))[0])


async def test_the_block_is_the_same_before_and_after_the_next_message():
    before = aged(history_of(turns(1, 5)), *[9] * 10)
    after = aged(history_of(turns(1, 6)), *[9] * 10, 0, 0)
    blocks = [await next_block(history, 279, IDLE) for history in (before, after)]
    assert blocks[0].anchor.seq == blocks[1].anchor.seq
    assert blocks[0].tokens < 279 + 140
    assert sum(entry.tokens for entry in before.entries) - blocks[0].tokens >= 140


async def test_pauses_everywhere_end_in_a_short_rest_and_cover_everything():
    policy = in_foreground(Scribe(), fold_when_idle=IDLE)
    history = aged(history_of(turns(1, 40)), *[10 * n for n in range(80, 0, -1)])
    last = 0
    while (result := await policy.fold(history)).report:
        assert result.report.first_seq == last + 1
        last = result.report.last_seq
    assert sum(entry.tokens for entry in history.entries[last:]) < 279


async def test_on_a_server_the_clock_of_the_log_decides(any_database):
    scribe = Scribe()
    store = store_of(any_database, scribe, fold_when_idle=IDLE, wait_seconds=60)
    session = store.session("a")
    await session.add_items(turns(1, 4))
    assert not is_summary((await session.get_items())[0])
    await session.flush()  # or the views below wait for work that has read the dates already
    old = datetime.now(timezone.utc) - timedelta(minutes=9)
    await any_database["session_items"].update_many({}, {"$set": {"created_at": old}})
    views = await asyncio.gather(*(store.session("a").get_items() for _ in range(3)))
    assert is_summary(views[0][0])
    assert views[0] == views[1] == views[2]
    assert len(scribe.requests) == len(await anchors(any_database)) == 1


@pytest.mark.parametrize(("idle", "error"), [(300, TypeError), (timedelta(0), ValueError)])
def test_the_argument_is_checked(idle, error):
    with pytest.raises(error, match="fold_when_idle"):
        SummarizeOlder(Scribe(), fold_when_idle=idle)
