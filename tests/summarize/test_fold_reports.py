"""Reports of folds: hooks of the application, and log records."""

from __future__ import annotations

import logging
import re

import pytest

from mongo_sessions import (
    FoldFailure,
    FoldReport,
    ListHistory,
    MongoSessionStore,
    SummarizeOlder,
    SummarizerUsage,
)
from mongo_sessions.policies import SummaryError
from mongo_sessions.policies.names import describe_error
from tests.support.scribes import BadScribe, Scribe, tokens, turns, user


class Busy(Exception):
    """As an API client raises it."""

    status_code = 429


def history_of(items: list[dict], token_counter=tokens) -> ListHistory:
    return ListHistory(items, token_counter=token_counter)


def policy_of(summarizer, **options) -> SummarizeOlder:
    return SummarizeOlder(summarizer, max_tokens=1_000, **options)


def words(*texts: str) -> int:
    return sum(len(text.split()) for text in texts)


async def test_each_fold_is_reported_with_its_items_and_cost():
    """Several requests for one fold, and a summary so far, are counted, too."""
    scribe, reports, costs = Scribe(), [], []
    policy = policy_of(scribe, on_summary=reports.append, input_tokens=512, fold_tokens=372)
    history = history_of([{"role": "user", "content": "word " * 1_200}, *turns(1, 20)])
    first_seq = 1
    while report := (await policy.fold(history)).report:
        assert report is reports[-1]
        stored = await history.latest_summary()
        covered = history.entries[first_seq - 1 : stored.seq]
        requests = scribe.requests[len(costs) :]
        answers = [await Scribe()(request) for request in requests]
        costs += requests
        assert report == FoldReport(
            session_id="in memory",
            first_seq=first_seq,
            last_seq=stored.seq,
            folded_tokens=sum(entry.tokens for entry in covered),
            summary_tokens=stored.summary["tokens"],
            usage=SummarizerUsage(
                requests=len(requests),
                input_tokens=sum(words(r.transcript, r.summary_so_far) for r in requests),
                output_tokens=words(*answers),
            ),
            seconds=report.seconds,
        )
        assert report.seconds > 0
        first_seq = stored.seq + 1
    assert len(reports) >= 2
    assert reports[0].usage.requests > 2
    assert any(request.summary_so_far for request in costs)


async def test_background_folds_are_reported(database):
    reports: list[FoldReport] = []
    policy = policy_of(Scribe(), on_summary=reports.append)
    session = MongoSessionStore(database, token_counter=tokens, policy=policy).session("a")
    await session.add_items(turns(1, 6))
    await session.flush()
    [report] = reports
    assert (report.session_id, report.first_seq, report.last_seq) == ("a", 1, 6)


async def test_each_failure_is_reported_with_its_error_and_cost():
    failures: list[FoldFailure] = []
    scribe = BadScribe("raises")
    policy = policy_of(scribe, on_failure=failures.append, retry_after=1e-9)
    history = history_of(turns(1, 9))
    assert not (await policy.fold(history)).report
    assert not (await policy.fold(history)).report
    assert [failure.failures for failure in failures] == [1, 2]
    assert [failure.retry_after for failure in failures] == [1e-9, 2e-9]
    (request, _) = scribe.requests
    for failure in failures:
        assert type(failure.error) is RuntimeError
        assert failure.error.args == (request.transcript,), "the application may look at it"
        assert failure.session_id == "in memory"
        assert failure.usage == SummarizerUsage(1, words(request.transcript), 0)


@pytest.mark.parametrize("how", ["", None, "repeats", "hangs"])
async def test_an_invalid_answer_is_reported_as_a_summary_error(how):
    failures: list[FoldFailure] = []
    policy = policy_of(BadScribe(how), on_failure=failures.append, timeout=0.01)
    assert not (await policy.fold(history_of(turns(1, 9)))).report
    [failure] = failures
    assert isinstance(failure.error, SummaryError)
    assert "word" not in str(failure.error)
    assert (failure.usage.output_tokens > 0) == (how == "repeats"), "refused, and paid for"


async def test_an_error_of_the_log_is_reported_unchanged():
    class Full(ListHistory):
        async def save_summary(self, entry, summary):
            raise OSError("disk full")

    failures: list[FoldFailure] = []
    policy = policy_of(Scribe(), on_failure=failures.append)
    assert not (await policy.fold(Full(turns(1, 9), token_counter=tokens))).report
    assert [type(failure.error) for failure in failures] == [OSError]


@pytest.mark.parametrize("hook", ["on_summary", "on_failure"])
async def test_an_error_in_a_hook_does_not_affect_the_fold(hook, caplog):
    def sore(report):
        raise ValueError("word of what was said")

    history = history_of(turns(1, 9))
    scribe = Scribe() if hook == "on_summary" else BadScribe("")
    policy = policy_of(scribe, background=False, **{hook: sore})
    view = await policy(history)
    assert len(view) > 1
    assert (await history.latest_summary() is not None) == (hook == "on_summary")
    assert re.search(r"Fold\w+ raised ValueError in test_fold_reports\.py, line \d+", caplog.text)
    assert "word" not in caplog.text
    assert len(scribe.requests) == 1


async def test_without_a_fold_no_hook_is_called():
    told: list[object] = []
    policy = policy_of(Scribe(), on_summary=told.append, on_failure=told.append)
    assert not (await policy.fold(history_of(turns(1, 5)))).report
    history = history_of(turns(1, 9))
    await history.back_off(history.entries[5], 60)
    assert not (await policy.fold(history)).report
    assert told == []


async def test_the_chain_of_causes_is_logged_without_its_messages(caplog):
    async def wrapping(request):
        raise LookupError(request.transcript) from Busy(request.transcript)

    assert not (await policy_of(wrapping).fold(history_of(turns(1, 9)))).report
    assert re.search(
        r"the summariser raised LookupError in test_fold_reports\.py, line \d+, "
        r"caused by tests\.summarize\.test_fold_reports\.Busy \(HTTP status 429\)\. It is tried",
        caplog.text,
    )
    assert "word" not in caplog.text


def with_attributes(error: BaseException, **attributes: object) -> BaseException:
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


def endless() -> BaseException:
    error = ValueError("secret")
    error.__cause__ = error
    return error


class Odd(Exception):
    status_code = "a secret"


@pytest.mark.parametrize(
    ("error", "described"),
    [
        (ValueError("secret"), "ValueError"),
        (Odd("secret"), "tests.summarize.test_fold_reports.Odd"),
        (
            with_attributes(Busy(), status_code=503),
            "tests.summarize.test_fold_reports.Busy (HTTP status 503)",
        ),
        (with_attributes(ValueError(), __context__=KeyError()), "ValueError, caused by KeyError"),
        (
            with_attributes(ValueError(), __context__=KeyError(), __suppress_context__=True),
            "ValueError",
        ),
        (endless(), ", caused by ".join(["ValueError"] * 5)),
    ],
    ids=str,
)
def test_an_error_is_described_by_its_types_alone(error, described):
    assert describe_error(error) == described


def test_an_error_is_described_by_its_location():
    with pytest.raises(ValueError, match="secret") as caught:
        raise ValueError("secret")
    line = caught.value.__traceback__.tb_lineno
    assert describe_error(caught.value) == f"ValueError in test_fold_reports.py, line {line}"


async def test_the_steps_of_a_fold_are_logged_for_debugging(caplog):
    caplog.set_level(logging.DEBUG, "mongo_sessions")
    history = history_of(turns(1, 9))
    policy = policy_of(Scribe(), background=False)
    report = (await policy.fold(history)).report
    steps = [record.getMessage() for record in caplog.records]
    assert {record.levelname for record in caplog.records} == {"DEBUG"}
    block = "Session 'in memory', items 1 to 6 (300 tokens): "
    assert steps[:-1] == [f"{block}due to be folded", f"{block}claimed"]
    assert steps[-1] == (
        f"{block}folded in {report.seconds:.1f} seconds with {report.usage}: "
        f"the summary has {report.summary_tokens} tokens"
    )
    assert str(SummarizerUsage(1, 20, 3)) == "1 requests, 20 input tokens, 3 output tokens"


async def test_the_reason_for_skipping_a_fold_is_logged_at_debug(caplog, database):
    caplog.set_level(logging.DEBUG, "mongo_sessions")
    plain = MongoSessionStore(database, token_counter=tokens).session("a")
    await plain.add_items(turns(1, 9))
    first, other = await plain._history(), await plain._history()
    assert await first.claim([e async for e in first.oldest_first()][5], 60)
    policy = policy_of(Scribe())
    assert not (await policy.fold(other)).report
    await first.back_off([e async for e in first.oldest_first()][5], 60)
    assert not (await policy.fold(other)).report

    class Clearing(Scribe):
        async def __call__(self, request):
            await plain.clear_session()
            return await super().__call__(request)

    await plain.clear_session()
    await plain.add_items([*turns(1, 9), user(10)])
    assert not (await policy_of(Clearing()).fold(other)).report
    told = [record.getMessage().partition("): ")[2] for record in caplog.records]
    assert told[:5] == [
        "due to be folded",
        "claimed by another worker, or removed",
        "due to be folded",
        "waiting after a failure",
        "due to be folded",
    ]
    assert re.match(r"removed, or folded by another worker, after 1 requests, \d+ input", told[-1])
    assert "word" not in caplog.text
