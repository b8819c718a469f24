"""Workers whose clocks differ by minutes: claims and back-offs go by the server's clock alone."""

from __future__ import annotations

import datetime as dt
import sys
import time

import pytest

from mongo_sessions import MongoSessionStore
from tests.summarize.test_folding import anchors, is_summary, raw, store_of
from tests.support.scribes import BadScribe, HeldScribe, Scribe, tokens, turns, user

SKEW = 300  # seconds: longer than a claim, which lasts for 130, and than the first back-off of 30


class Clock:
    """The client's clock, as every module of the package sees it."""

    ahead = 0.0
    """Seconds."""


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()

    class Skewed(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return dt.datetime.now(tz) + dt.timedelta(seconds=clock.ahead)

    modules = [module for name, module in sys.modules.items() if name.startswith("mongo_sessions")]
    for module in modules:
        if getattr(module, "datetime", None) is dt.datetime:
            monkeypatch.setattr(module, "datetime", Skewed)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + clock.ahead)
    return clock


async def seconds_left(database) -> float:
    """Of the only claim, by the server's clock."""
    (until,) = [
        document["claim"]["until"] for document in await raw(database) if "claim" in document
    ]
    return (until - (await database.command("hello"))["localTime"]).total_seconds()


async def let_pass(database, seconds: float) -> None:
    """As if so much time had passed for the claims."""
    until = {"$subtract": ["$claim.until", seconds * 1_000]}
    await database["session_items"].update_many(
        {"claim": {"$exists": True}}, [{"$set": {"claim.until": until}}]
    )


@pytest.mark.parametrize("ahead", [SKEW, -SKEW])
@pytest.mark.parametrize("of_the_claimant", [True, False])
async def test_a_claim_holds_whatever_the_clocks_of_its_worker_and_of_another_say(
    database, clock, ahead, of_the_claimant
):
    clock.ahead = ahead if of_the_claimant else 0
    held = HeldScribe()
    first = store_of(database, held).session("a")
    await first.add_items(turns(1, 6))
    await held.asked.wait()
    assert 100 < await seconds_left(database) <= 130
    clock.ahead = 0 if of_the_claimant else ahead
    scribe = Scribe()
    other = store_of(database, scribe).session("a")
    await other.add_items([user(7)])
    await other.flush()
    assert scribe.requests == []
    held.may_go_on.set()
    await first.flush()
    assert await anchors(database) == [6]
    assert len(held.requests) == 1, "one paid call"


@pytest.mark.parametrize("ahead", [SKEW, -SKEW])
async def test_a_back_off_lasts_as_long_for_a_worker_with_another_clock(
    database, clock, ahead, caplog
):
    clock.ahead = ahead
    failing = store_of(database, BadScribe("raises")).session("a")
    await failing.add_items(turns(1, 6))
    await failing.flush()
    assert 0 < await seconds_left(database) <= 30
    clock.ahead = 0
    scribe = Scribe()
    other = store_of(database, scribe).session("a")
    await other.add_items([user(7)])
    await other.flush()
    assert scribe.requests == [], "it waits"
    await let_pass(database, 30)
    await other.add_items([user(8)])
    await other.flush()
    assert len(scribe.requests) == 1
    assert is_summary((await other.get_items())[0])


@pytest.mark.parametrize("ahead", [SKEW, -SKEW])
async def test_a_claim_given_up_is_free_for_a_worker_with_another_clock(database, clock, ahead):
    session = MongoSessionStore(database, token_counter=tokens).session("a")
    await session.add_items([user(1)])
    one, other = [await session._history() for _ in range(2)]
    entry = await anext(aiter(one.newest_first()))
    clock.ahead = ahead
    assert await one.claim(entry, 60)
    await one.release(entry)
    clock.ahead = 0
    assert await other.claim(entry, 60)


async def test_a_claim_on_an_item_with_any_keys_leaves_the_item_as_it_is(database):
    """An update with the server's time is an aggregation, where a dot and a $ have a meaning."""
    session = MongoSessionStore(database, token_counter=tokens).session("$a.b")
    deep: dict = {"": 1}
    for _ in range(37):
        deep = {"a.b": [deep]}
    item = {"role": "user", "a.b": {"": "$$NOW", "c.d": "$claim"}, "deep": deep}
    await session.add_items([item])
    one = await session._history()
    entry = await anext(aiter(one.newest_first()))
    assert await one.claim(entry, 60)
    await one.back_off(entry, -1)
    assert await one.claim(entry, 60)
    assert await one.save_summary(entry, {"text": "…"})
    assert isinstance((await raw(database))[0]["item"], dict), "no JSON text"
    assert await session.get_items() == [item]
