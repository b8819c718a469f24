"""Token budgets of summaries and of requests to the summariser."""

from __future__ import annotations

import re
import threading

import pytest

from mongo_sessions.policies.summarize import FoldStatus
from mongo_sessions.policies.summarize.message import summary_message
from mongo_sessions.policies.summarize.segments import from_summary
from tests.support.folding import count, history_of, in_foreground
from tests.support.scribes import BadScribe, Scribe, tokens, turns


@pytest.mark.parametrize("words", [*range(600, 1_500, 50), 5_000])
async def test_requests_stay_within_the_input_budget_and_contain_every_word(words):
    """A block with a long text takes several requests, oldest first."""
    scribe = Scribe()
    policy = in_foreground(scribe, input_tokens=700, fold_tokens=372)
    essay = " ".join(f"w{n}" for n in range(words))
    history = history_of([*turns(0, 3), {"role": "user", "content": essay}, *turns(4, 12)])
    while (await policy.fold(history)).report:
        pass
    for request in scribe.requests:
        assert len(f"{request.transcript} {request.summary_so_far}".split()) <= 700
    told = " ".join(request.transcript for request in scribe.requests if request.kind == "fold")
    assert re.findall(r"\bw\d+\b", told) == essay.split()
    folds = [request for request in scribe.requests if request.kind == "fold"]
    assert all(request.summary_so_far for request in folds[1:])
    if words == 5_000:
        earlier = [word for request in folds[:4] for word in request.transcript.split()]
        assert set(folds[4].summary_so_far.split()) <= set(earlier)
        assert set(folds[4].summary_so_far.split()) & set(folds[3].transcript.split())
    view = await policy(history)
    assert tokens(view[0]) <= policy.budget.summary_tokens


async def test_an_answer_of_any_length_is_examined_in_a_thread():
    """Counting and neutralising it would hold the event loop."""
    threads = set()

    def count_and_note(item):
        if "<<<" in str(item["content"]):
            threads.add(threading.current_thread())
        return count(item)

    history = history_of(turns(1, 30), token_counter=count_and_note)
    assert (await in_foreground(BadScribe("<" * 10**6)).fold(history)).status is FoldStatus.FAILED
    assert threads
    assert threading.main_thread() not in threads


async def test_an_answer_longer_than_the_whole_summary_is_abridged():
    class Chatty(Scribe):
        async def __call__(self, request):
            short = await super().__call__(request)
            return "chatter " * 260 if len(self.requests) == 1 else short

    scribe = Chatty()
    history = history_of(turns(1, 9))
    assert (await in_foreground(scribe).fold(history)).report
    assert scribe.requests[1].transcript == ("chatter " * 260).strip()
    assert tokens((await in_foreground(BadScribe(None))(history))[0]) <= 256


async def test_a_summariser_that_barely_shortens_gets_one_more_request():
    """Its answer is too long for the view, and barely shorter at the second request.

    The view shows the end of the answer.
    """

    class Stubborn(Scribe):
        async def __call__(self, request):
            await super().__call__(request)
            words = request.transcript.split()
            is_conversation = words[0].startswith("[")
            return " ".join(["what", *words[: len(words) // 2]] if is_conversation else words[:-1])

    scribe = Stubborn()
    essay = {"role": "user", "content": "word " * 1_500}
    history = history_of([essay, *turns(1, 6)])
    assert (await in_foreground(scribe, input_tokens=2_000).fold(history)).report
    assert len(scribe.requests) == 2
    view = await in_foreground(BadScribe(None))(history)
    assert 200 < tokens(view[0]) <= 256


async def test_a_summary_that_was_made_with_more_room_is_shown_in_part():
    """Its newest part: the options may change while a session lives."""
    history = history_of(turns(1, 90))
    generous = in_foreground(Scribe(), max_tokens=4_000, summary_tokens=800)
    while (await generous.fold(history)).report:
        pass
    segments = from_summary((await history.latest_summary()).summary)
    summary, *_ = await in_foreground(BadScribe(None))(history)  # and it is not folded further
    assert 100 < tokens(summary) <= 256
    assert segments[-1].text in summary["content"]
    assert segments[0].text not in summary["content"]


async def test_every_summary_has_room_for_the_note_that_something_is_missing():
    policy = in_foreground(Scribe(), keepsakes=False)
    history = history_of(turns(1, 300))
    while (await policy.fold(history)).report:
        pass
    shown = [
        tokens(summary_message(from_summary(e.summary), e.created_at, has_gap=True))
        for e in history.entries
        if e.summary
    ]
    assert 250 < max(shown) <= 256


@pytest.mark.parametrize("max_tokens", [16_000, 5_000])
async def test_a_long_summary_is_shortened_within_the_input_budget(max_tokens):
    """Made where there was room for more, it goes on where there is less."""
    history = history_of(turns(1, 90))
    generous = in_foreground(Scribe(), max_tokens=max_tokens, summary_tokens=max_tokens // 4)
    while (await generous.fold(history)).report:
        pass
    for item in turns(91, 120):
        history.append(item)
    scribe = Scribe()
    policy = in_foreground(scribe)
    while (await policy.fold(history)).report:
        pass
    assert "merge" in scribe.kinds
    for request in scribe.requests:
        assert len(f"{request.transcript} {request.summary_so_far}".split()) <= 1_000
    view = await policy(history)
    assert tokens(view[0]) <= 256
    assert "left out" not in view[0]["content"]


async def test_a_single_long_segment_is_shown_in_part_and_says_so():
    history = history_of(turns(1, 90))
    generous = in_foreground(Scribe(), max_tokens=8_000, summary_tokens=2_000)
    assert (await generous.fold(history)).report
    summary, *_ = await in_foreground(BadScribe(None))(history)
    assert 100 < tokens(summary) <= 256
    assert "Its beginning is left out." in summary["content"]
    assert "is not shown" in summary["content"]


async def test_segments_without_text_are_merged_without_a_request():
    """Items that say nothing, such as encrypted reasoning, for as long as they go on."""
    scribe = Scribe()
    policy = in_foreground(scribe, fold_tokens=100)
    silent = [{"role": "user", "content": ""}, {"role": "assistant", "content": []}]

    def count_blanks(item):
        return 50 if item in silent else 240 + 4 * item["content"].count("\n\n")

    history = history_of(silent * 150, token_counter=count_blanks)
    while (await policy.fold(history)).report:
        pass
    assert scribe.requests == []
    assert (await history.latest_summary()).seq > 290


async def test_segments_that_are_short_enough_together_are_joined_without_a_request():
    """A summariser could hardly make them shorter, and so nothing is lost."""

    class Terse(Scribe):
        async def __call__(self, request):
            text = await super().__call__(request)
            return f"nothing-{len(self.requests)}" if request.kind == "fold" else text

    policy = in_foreground(Terse(), fold_tokens=100)
    history = history_of(turns(1, 500))
    while (await policy.fold(history)).report:
        pass
    merges = [request for request in policy.summarizer.requests if request.kind == "merge"]
    assert len(merges) > 10
    assert all(len(merge.transcript.split()) > merge.wanted_tokens for merge in merges)
    assert (await history.latest_summary()).seq > 900


async def test_the_role_is_counted(caplog):
    policy = in_foreground(Scribe(), role="developer", keepsakes=False)
    history = history_of(
        turns(1, 300),
        token_counter=lambda item: tokens(item) + 20 * (item.get("role") == "developer"),
    )
    while (await policy.fold(history)).report:
        pass
    for entry in history.entries:
        if entry.summary:
            segments, until = from_summary(entry.summary), entry.created_at
            message = summary_message(segments, until, role="developer", has_gap=True)
            assert history.count_tokens(message) == entry.summary["tokens"] <= 256
