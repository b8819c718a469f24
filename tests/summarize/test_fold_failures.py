"""Failures of a summariser: back-off, warnings, and views without a summary."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from mongo_sessions import ListHistory
from mongo_sessions.policies.summarize import FoldStatus
from mongo_sessions.policies.summarize.segments import from_summary
from tests.support.conversations import rejections
from tests.support.folding import history_of, in_foreground, is_summary
from tests.support.scribes import BAD, BadScribe, Scribe, tokens, turns, user


async def test_a_summariser_that_hangs_is_cancelled_after_the_timeout():
    policy = in_foreground(BadScribe("hangs"), timeout=0.01)
    assert (await policy.fold(history_of(turns(1, 9)))).status is FoldStatus.FAILED
    await asyncio.sleep(0)  # in which the task sees that it is cancelled
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_warning_names_the_session_the_error_and_its_line(caplog):
    """A mistake in a summariser can be located without conversation text in the log."""
    assert not (await in_foreground(BadScribe("raises")).fold(history_of(turns(1, 9)))).report
    assert re.search(
        r"No summary of session 'in memory': the summariser raised RuntimeError "
        r"in scribes.py, line \d+\. It is tried again in 30 seconds at the earliest",
        caplog.text,
    )


@pytest.mark.parametrize("how", BAD, ids=str)
async def test_a_failing_summariser_costs_one_attempt(how, caplog):
    scribe = BadScribe(how)
    policy = in_foreground(scribe, timeout=0.02)
    history = history_of(turns(1, 9))
    with caplog.at_level(logging.DEBUG, logger="mongo_sessions"):
        view = await policy(history)
        history.append(user(10))
        later = await policy(history)
        assert not (await policy.fold(history)).report
    assert len(scribe.requests) == 1, "no second attempt before retry_after"
    for shown in (view, later):
        assert rejections(shown) == []
        assert 400 < sum(map(tokens, shown)) <= policy.budget.verbatim_tokens
        assert not is_summary(shown[0])
    assert later[-1] == user(10)
    assert await history.latest_summary() is None
    (record,) = [record for record in caplog.records if record.levelno > logging.DEBUG]
    assert record.levelno == logging.WARNING
    assert "again in 30 seconds" in record.getMessage()
    assert record.exc_info is None
    assert "question" not in caplog.text
    assert "word" not in caplog.text


async def test_a_failed_merge_loses_nothing():
    """The fold before it is not kept either: it would not fit."""

    class Scatterbrain(Scribe):
        async def __call__(self, request):
            text = await super().__call__(request)
            return "" if request.kind == "merge" else text

    scribe = Scatterbrain()
    policy = in_foreground(scribe, retry_after=1e-9)
    history = history_of(turns(1, 60))
    while (await policy.fold(history)).report:
        pass
    assert "merge" in scribe.kinds
    anchor = await history.latest_summary()
    assert from_summary(anchor.summary)[-1].last_seq == anchor.seq
    before = len(scribe.requests)
    scribe.__class__ = Scribe
    assert (await policy.fold(history)).report, "it continues when the summariser has recovered"
    assert len(scribe.requests) > before
    assert rejections(await policy(history)) == []


async def test_pauses_grow_with_each_failure_and_end_with_a_success():
    policy = in_foreground(BadScribe("raises"), retry_after=100)
    history = history_of(turns(1, 9))
    pauses = []
    for _ in range(8):
        before = datetime.now(timezone.utc)
        await policy.fold(history)
        (failed,) = [entry for entry in history.entries if entry.claim]
        pauses.append((failed.claim.until - before).total_seconds())
        await policy.fold(history)
        history._replace(failed, claim=replace(failed.claim, until=before))  # time passes
    assert pauses == pytest.approx([100, 200, 400, 800, 1_600, 3_200, 3_200, 3_200], abs=10)
    assert len(policy.summarizer.requests) == 8
    assert (await in_foreground(Scribe()).fold(history)).report
    assert [entry.claim for entry in history.entries if entry.claim] == []


async def test_an_answer_that_stays_longer_than_the_whole_summary_is_a_failure():
    history = history_of(turns(1, 9))
    scribe = BadScribe("long " * 260)
    assert not (await in_foreground(scribe).fold(history)).report
    assert await history.latest_summary() is None
    assert len(scribe.requests) == 2


async def test_an_error_after_the_answer_backs_off_too(caplog):
    """Otherwise each attempt would cost a request: here, the summary cannot be stored."""

    class Full(ListHistory):
        async def save_summary(self, entry, summary):
            raise OSError("disk full of words")

    history = Full(turns(1, 9), token_counter=tokens)
    scribe = Scribe()
    policy = in_foreground(scribe)
    assert rejections(await policy(history)) == []
    assert not (await policy.fold(history)).report
    assert len(scribe.requests) == 1
    assert "OSError in test_fold_failures.py" in caplog.text
    assert "full of words" not in caplog.text


async def test_an_error_of_a_cancelled_summariser_is_not_logged(caplog):
    """asyncio logs exceptions that are never retrieved, and this one contains conversation text."""

    class Sore(Scribe):
        async def __call__(self, request):
            try:
                await asyncio.Event().wait()
            finally:
                raise RuntimeError(request.transcript)

    assert not (await in_foreground(Sore(), timeout=0.01).fold(history_of(turns(1, 9)))).report
    await asyncio.sleep(0)
    gc.collect()
    assert "question" not in caplog.text
