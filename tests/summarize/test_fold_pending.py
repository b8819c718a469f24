"""``fold_pending``: folding by a cron job."""

from __future__ import annotations

import asyncio
import itertools
from datetime import datetime, timedelta, timezone

import pytest

from mongo_sessions import FoldProgress, MongoSessionStore, TokenLimit
from mongo_sessions.policies.summarize.segments import from_summary
from tests.support.filling import fill
from tests.support.folding import anchors, is_summary, policy_of, raw, store_of
from tests.support.scribes import BadScribe, HeldScribe, Scribe, tokens, turns


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


async def test_due_sessions_are_folded_least_recently_used_first_with_progress(database):
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


async def test_folding_can_be_interrupted_and_resumed(database):
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


async def test_failed_sessions_are_skipped_at_the_next_call(database, caplog):
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


async def test_a_failed_session_does_not_stop_fold_pending(database, caplog):
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


async def test_a_store_that_counts_nothing_folds_nothing(database):
    store = MongoSessionStore(database, token_counter=None)
    with pytest.raises(ValueError, match="needs token counts"):
        await store.fold_pending(policy_of(Scribe()))


async def test_items_that_were_stored_without_counts_are_found_by_a_cron_job(database):
    await MongoSessionStore(database, token_counter=None).session("a").add_items(turns(1, 20))
    store = store_of(database, Scribe())
    assert await store.fold_pending(store._policy) > 1
    assert is_summary((await store.session("a").get_items())[0])
