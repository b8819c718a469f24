"""Folding while items are popped, cleared or deleted."""

from __future__ import annotations

import re

import pytest

from mongo_sessions import MongoSession, MongoSessionStore
from tests.support.folding import anchors, is_summary, policy_of, store_of, summarised_session
from tests.support.scribes import BadScribe, HeldScribe, Scribe, tokens, turns, user


async def test_popping_the_anchor_removes_its_summary(database):
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
async def test_items_removed_during_a_summariser_call_are_not_summarised(database, how, reused):
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


async def test_a_clear_during_a_fold_stops_further_requests(database):
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
async def test_items_removed_during_the_read_of_a_block_are_not_summarised(
    database, how, reading, monkeypatch
):
    """A worker has read some items; they are removed, and new ones are added.

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


async def test_after_a_clear_folding_restarts_as_in_a_new_session(database):
    """For a writer that does not read, too."""
    session = store_of(database, Scribe()).session("a")
    for n in range(30):
        await session.add_items(turns(n, n))
        await session.flush()
    await session.clear_session()
    for n in range(8):
        await session.add_items(turns(n, n))
        await session.flush()
    assert len(await anchors(database)) == 1
