"""A token counter different from the one at write: its detection, and ``recount``."""

from __future__ import annotations

import asyncio
import itertools
import threading

import pytest

from mongo_sessions import MongoSessionStore, RecountProgress, SummarizeOlder, TokenLimit
from mongo_sessions.log.counts import Counts
from mongo_sessions.policies.summarize.segments import from_summary
from mongo_sessions.store import recount
from tests.support.folding import anchors, is_summary, raw
from tests.support.scribes import Scribe, answer, tokens, turns, user


def too_few(item: dict) -> int:
    return tokens(item) // 3


def old_store(database, **options) -> MongoSessionStore:
    return MongoSessionStore(database, token_counter=too_few, **options)


def new_store(database, policy=None) -> MongoSessionStore:
    return MongoSessionStore(database, token_counter=tokens, policy=policy)


async def fill_sessions(database, *session_ids: str) -> None:
    for session_id in session_ids:
        await old_store(database).session(session_id).add_items(turns(1, 30))


async def assert_counts_are_right(database, session_id: str = "a") -> None:
    documents = [
        document for document in await raw(database) if document["session_id"] == session_id
    ]
    assert [d["tokens"] for d in documents] == [tokens(d["item"]) for d in documents]
    first = documents[0]["total_tokens"] - documents[0]["tokens"]
    totals = itertools.accumulate((d["tokens"] for d in documents), initial=first)
    assert [first, *(d["total_tokens"] for d in documents)] == list(totals)


async def test_a_changed_counter_is_noticed_once_and_a_recount_keeps_the_budget(database, caplog):
    await fill_sessions(database, "a", "b")
    store = new_store(database, TokenLimit(1_000))
    broken = await store.session("a").get_items()
    assert sum(map(tokens, broken)) > 2_000
    await store.session("b").get_items()
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    message = record.getMessage()
    assert "session 'a' was stored as 16 tokens, and token_counter says 50" in message
    assert "await store.recount()" in message
    assert "word" not in caplog.text
    assert await store.recount() == 120
    caplog.clear()
    for session_id in ("a", "b"):
        view = await new_store(database, TokenLimit(1_000)).session(session_id).get_items()
        assert 500 <= sum(map(tokens, view)) <= 1_000
        await assert_counts_are_right(database, session_id)
    assert caplog.records == []
    assert await store.recount() == 0


async def test_only_numbers_change(database):
    await fill_sessions(database, "a")
    before = await raw(database)
    await new_store(database).recount()
    numbers = ("tokens", "total_tokens")
    assert [{k: v for k, v in d.items() if k not in numbers} for d in await raw(database)] == [
        {k: v for k, v in d.items() if k not in numbers} for d in before
    ]


async def test_the_counter_is_asked_once_by_a_session_object_and_costs_no_command(database, sent):
    await new_store(database).session("a").add_items(turns(1, 3))
    asked = []

    def counter(item: dict) -> int:
        asked.append(item)
        return tokens(item)

    store = MongoSessionStore(database, token_counter=counter, policy=TokenLimit(1_000))
    session = store.session("a")
    await session.get_items(limit=1)
    assert asked == [], "nothing is counted to read raw items"
    sent.clear()
    for _ in range(3):
        await session.get_items()
    assert asked == turns(3, 3)[1:]
    assert sent.names == ["find"] * 3


async def test_a_different_counter_is_detected_by_a_short_item_alone(database, caplog):
    writer = old_store(database).session("a")
    await writer.add_items([user(1, words=5_000)])
    session = new_store(database, TokenLimit(1_000)).session("a")
    await session.get_items()
    assert not [record for record in caplog.records if "recount" in record.getMessage()]
    await writer.add_items([answer(1)])
    await session.get_items()
    assert [record for record in caplog.records if "recount" in record.getMessage()]


@pytest.mark.parametrize("size", [1, 3])
async def test_a_writer_that_knows_the_old_total_does_not_count_on_from_it(database, size):
    stale = new_store(database).session("a")
    await fill_sessions(database, "a")
    assert len(await stale.get_items()) == 60
    await new_store(database).recount()
    await stale.add_items(turns(31, 32)[:size])
    assert len(await raw(database)) == 60 + size
    await assert_counts_are_right(database)


@pytest.mark.parametrize("size", [1, 3])
async def test_items_stored_without_counts_are_counted(database, size):
    stale = MongoSessionStore(database, token_counter=None).session("a")
    await stale.add_items(turns(1, 3))
    other = new_store(database).session("a")
    await other.add_items(turns(4, 4)[:size])
    await stale.add_items(turns(5, 5)[:size])
    assert await new_store(database).recount() == len(await raw(database))
    await assert_counts_are_right(database)
    await other.add_items([user(6)])
    await assert_counts_are_right(database)


async def test_an_append_after_items_without_counts_succeeds_at_once(database, sent):
    stale = new_store(database).session("a")
    await MongoSessionStore(database, token_counter=None).session("a").add_items(turns(1, 3))
    await stale.get_items()
    sent.clear()
    await stale.add_items([user(4)])
    assert sent.names == ["insert"]


async def test_a_recount_can_be_resumed_and_reports_its_progress(database, monkeypatch):
    monkeypatch.setattr(recount, "_CHUNK", 40)
    await fill_sessions(database, "a", "b", "other")
    store = new_store(database)
    told: list[RecountProgress] = []

    def stop_at_three(progress: RecountProgress) -> None:
        told.append(progress)
        if len(told) == 3:
            raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        await store.recount(progress=stop_at_three)
    assert told == [
        RecountProgress("a", 1, 40, 40),
        RecountProgress("a", 1, 60, 60),
        RecountProgress("b", 2, 100, 100),
    ]
    assert await store.recount(prefix="b") == 20
    assert await store.recount() == 60
    for session_id in ("a", "b", "other"):
        await assert_counts_are_right(database, session_id)


async def test_appends_during_a_recount_are_counted_on_from_the_new_totals(database, monkeypatch):
    monkeypatch.setattr(recount, "_CHUNK", 7)
    await fill_sessions(database, "a")
    writers = [new_store(database).session("a") for _ in range(3)]
    done = asyncio.Event()

    async def write(writer: int) -> None:
        number = 0
        while not done.is_set() and number < 60:  # a recount must end: fast writers outrun it
            number += 1
            await writers[writer].add_items(turns(number, number)[: 1 + number % 2])

    writing = [asyncio.create_task(write(writer)) for writer in range(3)]
    await new_store(database).recount()
    done.set()
    await asyncio.gather(*writing)
    assert len(await raw(database)) > 60
    await new_store(database).recount()
    assert await new_store(database).recount() == 0
    await assert_counts_are_right(database)


async def test_a_session_that_is_cleared_and_filled_meanwhile_keeps_its_totals(
    database, monkeypatch
):
    monkeypatch.setattr(recount, "_CHUNK", 10)
    await fill_sessions(database, "a")
    other = new_store(database).session("a")
    read = Counts.oldest_batch
    readings = 0

    async def cleared_before_the_second(self, session_id, limit, after_seq):
        nonlocal readings
        readings += 1
        if readings == 2:
            await other.clear_session()
            await other.add_items(turns(51, 62, words=30))
        return await read(self, session_id, limit, after_seq)

    monkeypatch.setattr(Counts, "oldest_batch", cleared_before_the_second)
    await new_store(database).recount()
    assert [document["item"] for document in await raw(database)] == turns(51, 62, words=30)
    await assert_counts_are_right(database)
    assert (await raw(database))[0]["total_tokens"] == 15


async def test_totals_keep_the_counts_of_expired_items(database):
    await fill_sessions(database, "a")
    await database["session_items"].delete_many({"seq": {"$lte": 20}})
    store = new_store(database)
    assert await store.recount() == 40
    await assert_counts_are_right(database)
    (info,) = await store.list_sessions()
    assert info.total_tokens == 2_000
    assert await store.recount() == 0


async def test_items_that_are_large_together_are_read_one_by_one(database):
    session = old_store(database).session("a")
    for number in range(3):
        item = {"role": "user", "content": f"{number} three words " + "x" * 9_000_000}
        await session.add_items([item])
    told: list[RecountProgress] = []
    assert await new_store(database).recount(progress=told.append) == 3
    assert [progress.documents for progress in told] == [1, 2, 3]
    await assert_counts_are_right(database)


async def test_summaries_are_counted_and_shown_within_their_room(database):
    policy = SummarizeOlder(Scribe(), max_tokens=1_000)
    session = old_store(database, policy=policy).session("a")
    for number in range(1, 41):
        await session.add_items(turns(number, number))
        await session.flush()
    before = {d["seq"]: d["summary"] for d in await raw(database) if "summary" in d}
    assert len(before) > 2
    store = new_store(database, policy)
    await store.recount()
    await assert_counts_are_right(database)
    for document in await raw(database):
        if "summary" in document:
            assert "tokens" not in document["summary"]
            segments = from_summary(document["summary"])
            assert [s.tokens for s in segments] == [len(s.text.split()) for s in segments]
            texts = [segment["text"] for segment in before[document["seq"]]["segments"]]
            assert [segment.text for segment in segments] == texts
    view = await new_store(database, policy).session("a").get_items()
    assert is_summary(view[0])
    assert tokens(view[0]) <= 256
    assert sum(map(tokens, view)) <= 1_000
    assert await store.recount() == 0
    while await store.fold_pending(policy):
        pass
    assert len(await anchors(database)) > len(before), "folding goes on"
    assert await store.recount() == 0


async def test_a_summary_of_another_policy_is_left_alone(database):
    session = old_store(database).session("a")
    await session.add_items(turns(1, 1))
    history = await session._history()
    newest = await anext(aiter(history.newest_first()))
    assert await history.save_summary(newest, {"text": "two words"})
    assert await new_store(database).recount() == 2
    assert (await raw(database))[1]["summary"] == {"text": "two words"}


async def test_a_recount_does_not_hold_the_event_loop_while_it_counts(database):
    await fill_sessions(database, "a")
    threads = set()

    def counter(item: dict) -> int:
        threads.add(threading.get_ident())
        return tokens(item)

    await MongoSessionStore(database, token_counter=counter).recount()
    assert threads
    assert threading.get_ident() not in threads


async def test_a_recount_needs_a_counter_that_counts(database):
    with pytest.raises(ValueError, match="recount needs token counts"):
        await MongoSessionStore(database, token_counter=None).recount()
    with pytest.raises(TypeError, match="prefix must be a str, got None"):
        await new_store(database).recount(prefix=None)
    await fill_sessions(database, "a")
    with pytest.raises(ValueError, match="token_counter returned -1"):
        await MongoSessionStore(database, token_counter=lambda item: -1).recount()
