"""Spans and metrics of folds, and the tokens that the summariser used."""

from __future__ import annotations

import asyncio

import pytest
from opentelemetry.trace import StatusCode

from mongo_sessions import SummarizerUsage
from mongo_sessions.policies import recounted_summary, usage_of
from tests.support.folding import history_of, policy_of, raw, store_of
from tests.support.scribes import BadScribe, HeldScribe, Scribe, turns


async def summaries(database) -> list[dict]:
    return [document["summary"] for document in await raw(database) if "summary" in document]


async def test_a_background_fold_is_linked_to_the_append_and_tells_its_cost(database, recorded):
    store = store_of(database, Scribe())
    session = store.session("a")
    await session.add_items(turns(1, 8))
    await session.flush()
    [append] = await recorded.spans("add_items")
    [fold] = await recorded.spans("fold")
    assert fold.parent is None
    assert [link.context.span_id for link in fold.links] == [append.context.span_id]
    [summary] = await summaries(database)
    usage = store.session("a").policy.usage
    assert usage == usage_of(summary)
    assert usage.requests == 1
    assert dict(fold.attributes) == {
        "gen_ai.conversation.id": "a",
        "mongo_sessions.fold.status": "folded",
        "mongo_sessions.fold.first_seq": 1,
        "mongo_sessions.fold.last_seq": 6,
        "mongo_sessions.fold.tokens": 300,
        "mongo_sessions.summary.tokens": summary["tokens"],
        "mongo_sessions.summarizer.requests": 1,
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
    }
    points = await recorded.points("mongo_sessions.summarizer.tokens")
    assert {p.attributes["gen_ai.token.type"]: p.value for p in points} == {
        "input": usage.input_tokens,
        "output": usage.output_tokens,
    }
    [point] = await recorded.points("mongo_sessions.fold.duration")
    assert point.count == 1
    assert point.attributes["mongo_sessions.fold.status"] == "folded"


async def test_a_fold_of_a_read_is_its_child(database, recorded):
    session = store_of(database, Scribe(), background=False).session("a")
    await session.add_items(turns(1, 8))
    await session.get_items()
    [read] = await recorded.spans("get_items")
    [fold] = await recorded.spans("fold")
    assert fold.parent.span_id == read.context.span_id
    assert read.attributes["mongo_sessions.summary.seq"] == 6
    assert read.attributes["mongo_sessions.cut.reason"] == "summary"
    assert read.attributes["mongo_sessions.cut.seq"] == 7


async def test_a_failed_fold_tells_its_error_and_its_cost(database, recorded):
    session = store_of(database, BadScribe("raises")).session("a")
    await session.add_items(turns(1, 8))
    await session.flush()
    [fold] = await recorded.spans("fold")
    assert fold.attributes["mongo_sessions.fold.status"] == "failed"
    assert fold.attributes["error.type"] == "RuntimeError"
    assert fold.attributes["gen_ai.usage.input_tokens"] > 0
    assert fold.status.status_code is StatusCode.ERROR
    assert "question-1" not in await recorded.everything()
    assert session.policy.usage.requests == 1
    [point] = await recorded.points("mongo_sessions.summarizer.requests")
    assert point.value == 1


async def test_a_cancelled_fold_is_counted(database, recorded):
    scribe = HeldScribe()
    store = store_of(database, scribe)
    await store.session("a").add_items(turns(1, 8))
    await scribe.asked.wait()
    await store.close(timeout=0.01)
    attributes = await recorded.attributes("fold")
    assert attributes["mongo_sessions.fold.status"] == "cancelled"
    assert attributes["error.type"] == "asyncio.exceptions.CancelledError"
    assert store.session("a").policy.usage.requests == 1


async def test_no_span_where_nothing_is_due(database, recorded):
    session = store_of(database, Scribe()).session("a")
    await session.add_items(turns(1, 2))
    await session.flush()
    assert await recorded.spans("fold") == []


async def test_no_text_of_a_summary_leaves_the_process(database, recorded):
    session = store_of(database, Scribe(), background=False).session("a")
    await session.add_items(turns(1, 8))
    view = await session.get_items()
    assert "question-1" in str(view[0])
    told = await recorded.everything()
    assert "mongo_sessions.summary.seq" in told
    assert "question-" not in told
    assert "word" not in told


async def test_the_newest_summary_tells_the_total_of_the_session(database):
    """Also when other workers have made the earlier ones."""
    total = SummarizerUsage()
    for last in range(8, 20, 3):
        store = store_of(database, Scribe(), background=False)
        session = store.session("a")
        await session.add_items(turns(last - 2, last) if last > 8 else turns(1, 8))
        await session.get_items()
        total += store.session("a").policy.usage
        assert usage_of((await summaries(database))[-1]) == total
    assert total.requests >= 4


async def test_two_sessions_have_usages_of_their_own_and_one_total(database):
    store = store_of(database, Scribe())
    for name in ("a", "b"):
        session = store.session(name)
        await session.add_items(turns(1, 8))
        await session.flush()
    first, second = map(usage_of, await summaries(database))
    assert first == second
    assert session.policy.usage == first + second


@pytest.mark.parametrize("stored", [None, {}, {"segments": []}, {"usage": 5}, {"usage": {"x": 1}}])
def test_a_summary_without_a_usage_has_none(stored):
    assert usage_of(stored) == SummarizerUsage(0, 0, 0)


async def test_a_summary_of_an_earlier_version_is_continued():
    history = history_of(turns(1, 20))
    policy = policy_of(Scribe())
    await policy.fold(history)
    anchor = await history.latest_summary()
    old = {field: value for field, value in anchor.summary.items() if field != "usage"}
    history._replace(anchor, summary=old)
    before = policy.usage
    await policy.fold(history)
    newest = await history.latest_summary()
    assert newest.seq > anchor.seq
    assert before + usage_of(newest.summary) == policy.usage


async def test_a_recount_keeps_the_usage():
    history = history_of(turns(1, 20))
    await policy_of(Scribe()).fold(history)
    summary = (await history.latest_summary()).summary
    recounted = recounted_summary(summary, len)
    assert recounted["segments"] != summary["segments"]
    assert usage_of(recounted) == usage_of(summary) != SummarizerUsage()


async def test_concurrent_folds_share_one_total():
    policy = policy_of(Scribe())
    histories = [history_of(turns(1, 8)) for _ in range(4)]
    results = await asyncio.gather(*map(policy.fold, histories))
    assert policy.usage == sum((r.report.usage for r in results), SummarizerUsage())
