"""Folding always makes progress: with any counter, budget, and summariser within its limit."""

from __future__ import annotations

import math
import random
import re
from functools import lru_cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mongo_sessions import ListHistory, SummarizeOlder, TiktokenCounter
from mongo_sessions.policies.summarize import FoldStatus
from mongo_sessions.policies.summarize.block import next_block
from mongo_sessions.policies.summarize.budget import LEAST_SUMMARY_TOKENS, Budget
from mongo_sessions.policies.summarize.message import summary_message
from mongo_sessions.policies.summarize.segments import from_summary, render
from mongo_sessions.policies.summarize.writer import MOST_BYTES
from tests.support.examples import examples

tiktoken = lru_cache(10_000)(lambda text: TiktokenCounter()({"role": "user", "content": text}))

TEXT_COUNTERS = {
    "words": lambda text: len(text.split()),
    "characters / 4": lambda text: len(text) // 4,
    "characters / 4, rounded up": lambda text: math.ceil(len(text) / 4),
    "bytes": lambda text: len(text.encode()),
    "nothing": lambda text: 0,
    "tiktoken": tiktoken,
}


def item_counter(of_text: str, overhead: int):
    count_text = TEXT_COUNTERS[of_text]
    return lambda item: overhead + count_text(item["content"])


counters = st.builds(
    item_counter, st.sampled_from(list(TEXT_COUNTERS)), st.sampled_from([0, 4, 20, 100, 250])
)


@st.composite
def budgets(draw) -> dict[str, int]:
    max_tokens = draw(st.sampled_from([1_000, 1_100, 2_500, 6_000]))
    summary_tokens = draw(st.none() | st.integers(LEAST_SUMMARY_TOKENS, max_tokens - 130))
    options = {"max_tokens": max_tokens, "summary_tokens": summary_tokens}
    room = max_tokens - (summary_tokens or max(LEAST_SUMMARY_TOKENS, max_tokens // 8))
    options["fold_tokens"] = draw(st.none() | st.integers(1, 60) | st.integers(61, room // 2))
    summary_tokens = Budget.divided(**options).summary_tokens
    options["input_tokens"] = draw(st.none() | st.integers(2 * summary_tokens, 4 * max_tokens))
    return options


class Obedient:
    """Keeps to what is wanted, as the store counts: with the most that it may say, or one word."""

    def __init__(self, how: str, counter) -> None:
        self.how = how
        self.requests = 0
        self.count = lambda text: counter({"role": "user", "content": text})

    async def __call__(self, request) -> str:
        self.requests += 1
        if self.how == "one word":
            text = "something"
        elif self.how == "the same again":
            text = "again " * 400
        else:
            text = request.transcript
        low, high = 1, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            fits = self.count(self.part(text, middle)) <= request.wanted_tokens
            low, high = (middle, high) if fits else (low, middle - 1)
        told = self.part(text, low)
        assert self.count(told) <= request.wanted_tokens, "what is wanted can be written"
        return told if told.strip() else "."

    def part(self, text: str, characters: int) -> str:
        return text[-characters:] if self.how == "the end" else text[:characters]


HOWS = ["the beginning", "the end", "one word", "the same again"]


def message_tokens(history: ListHistory, segments, anchor) -> int:
    return history.count_tokens(summary_message(segments, anchor.created_at, has_gap=True))


@settings(max_examples=examples(25), deadline=None)
@example(
    # A transcript that is longer than what it replaces: an answer as long as it may be is longer.
    counter=item_counter("tiktoken", 0),
    options={"max_tokens": 1_000, "fold_tokens": 1},
    how="the beginning",
    words=60,
    script="word ",
)
@given(
    counter=counters,
    options=budgets(),
    how=st.sampled_from(HOWS),
    words=st.sampled_from([3, 60, 900]),
    script=st.sampled_from(["word ", "x", "語", "a\nb "]),
)
async def test_every_fold_produces_a_summary_within_its_budget(
    counter, options, how, words, script
):
    scribe = Obedient(how, counter)
    policy = SummarizeOlder(scribe, background=False, **options)
    history = ListHistory([], token_counter=counter)
    text = script * words
    folds = 0
    for number in range(400):
        history.append({"role": "user", "content": f"{number} {text}"})
        history.append({"role": "assistant", "content": text})
        before = scribe.requests
        block = await next_block(history, policy.budget.fold_tokens)
        outcome = (await policy.fold(history)).status
        if block is None:
            assert outcome is FoldStatus.NOTHING_DUE
            continue
        if message_tokens(history, [], block.anchor) > policy.budget.summary_tokens:
            assert outcome is FoldStatus.FAILED
            assert scribe.requests == 0
            return
        assert outcome is FoldStatus.FOLDED
        folds += 1
        anchor = await history.latest_summary()
        segments = from_summary(anchor.summary)
        assert anchor.id == block.anchor.id
        assert message_tokens(history, segments, anchor) <= policy.budget.summary_tokens
        assert sum(len(segment.text.encode()) for segment in segments) <= MOST_BYTES
        assert (segments[0].first_seq, segments[-1].last_seq) == (1, anchor.seq)
        characters = sum(len(entry.item["content"]) + 40 for entry in block.entries)
        assert scribe.requests - before <= 20 + characters // 50, "they are bounded"
        if folds == 24:
            return


async def folded(summarizer, history: ListHistory, **options) -> list[str]:
    """The texts of all segments, after everything was folded that can be."""
    policy = SummarizeOlder(summarizer, **{"max_tokens": 1_000, **options})
    while (await policy.fold(history)).report:
        pass
    anchor = await history.latest_summary()
    assert message_tokens(history, [], anchor) <= policy.budget.summary_tokens
    segments = from_summary(anchor.summary)
    assert message_tokens(history, segments, anchor) <= policy.budget.summary_tokens
    assert anchor.seq > len(history.entries) - 40
    return [segment.text for segment in segments]


def of_words(item: dict) -> int:
    return len(item["content"].split())


async def test_a_text_that_costs_nothing_is_cut_at_its_beginning():
    """A document has room for 16 MB, and a counter may say the same of every text."""
    history = ListHistory(
        [{"role": "user", "content": f"{n} {'語' * 30_000}"} for n in range(20)],
        token_counter=lambda item: 100,
    )
    answers = [f"{n} {'語' * 400_000} {n}" for n in range(20)]

    async def told(request) -> str:
        return answers.pop(0)

    texts = await folded(told, history)
    stored = sum(len(text.encode()) for text in texts)
    assert MOST_BYTES * 0.8 < stored <= MOST_BYTES
    assert texts[-1].endswith(f" {19 - len(answers)}")


async def test_one_long_answer_is_cut_at_its_beginning():
    """After it was shortened as far as the summariser would."""
    history = ListHistory(
        [{"role": "user", "content": "word " * 3_000}] * 2, token_counter=of_words
    )
    answers = ["first " * 1_400, " ".join(f"w{n}" for n in range(700))]

    async def told(request) -> str:
        return answers.pop(0)

    (text,) = await folded(told, history, fold_tokens=300, input_tokens=4_000)
    assert text.endswith("w698 w699")
    assert len(text.split()) > 150
    assert answers == []


async def test_no_request_is_made_where_no_message_is_short_enough():
    history = ListHistory(
        [{"role": "user", "content": "word"}] * 40, token_counter=lambda item: 257
    )

    async def told(request) -> str:
        raise AssertionError("it was asked")

    assert (await SummarizeOlder(told, max_tokens=1_000).fold(history)).status is FoldStatus.FAILED


async def test_a_transcript_that_is_short_enough_is_kept_as_it_is():
    history = ListHistory(
        [{"role": "user", "content": f"fact {n}"} for n in range(12)], token_counter=of_words
    )

    async def told(request) -> str:
        raise AssertionError("it was asked")

    texts = await folded(told, history, fold_tokens=5)
    facts = [line.split("user: ")[1] for text in texts for line in text.split("\n") if line]
    assert facts == [f"fact {n}" for n in range(9)]


class Notes:
    """Writes down ``key = value``: of two values the later, and the first or the last that fit."""

    def __init__(self, keeps: str) -> None:
        self.keeps = keeps

    async def __call__(self, request) -> str:
        facts = dict(re.findall(r"(\w+) = (\w+)", request.transcript))
        number = request.wanted_tokens // 3
        kept = list(facts.items())
        kept = kept[:number] if self.keeps == "first" else kept[max(0, len(kept) - number) :]
        return "\n".join(f"{key} = {value}" for key, value in kept) or "-"


@pytest.mark.parametrize("keeps", ["first", "last"])
async def test_in_a_full_summary_the_newest_value_of_a_fact_stands_last(keeps):
    """With room for about 50 of 100 facts, which change all the time."""
    policy = SummarizeOlder(Notes(keeps), max_tokens=1_000, background=False, keepsakes=False)
    history = ListHistory([], token_counter=of_words)
    dice = random.Random(1)
    right = stale = folds = 0
    facts: list[tuple[str, str]] = []
    while folds < 100:
        facts.append((f"k{dice.randrange(100)}", f"v{len(facts)}"))
        history.append({"role": "user", "content": " = ".join(facts[-1]) + " word" * 60})
        if (await policy.fold(history)).report:
            folds += 1
            anchor = await history.latest_summary()
            told = dict(re.findall(r"(\w+) = (\w+)", render(from_summary(anchor.summary))))
            newest = dict(facts[: anchor.turn])
            right += sum(newest[key] == value for key, value in told.items())
            stale += sum(newest[key] != value for key, value in told.items())
    assert right / folds > 45
    assert stale / folds < 2


async def overshoots(request) -> str:
    """Twice as many tokens as are wanted, and the whole text if it has no more than that."""
    words = request.transcript.split()
    return " ".join(words[: 2 * request.wanted_tokens])


async def says_the_same(request) -> str:
    return " ".join(f"fact{number}" for number in range(40))


@pytest.mark.parametrize("summarizer", [overshoots, says_the_same])
@pytest.mark.parametrize("max_tokens", [1_000, 4_000])
async def test_a_summariser_that_hardly_shortens_a_summary_does_not_stop_folding(
    summarizer, max_tokens
):
    """Each attempt would get the same answer, so the text is cut instead."""
    history = ListHistory([], token_counter=TiktokenCounter())
    policy = SummarizeOlder(summarizer, max_tokens=max_tokens, background=False)
    folds = 0
    while folds < 20:
        history.append({"role": "user", "content": "question " + "word " * 200})
        history.append({"role": "assistant", "content": "answer " + "word " * 200})
        outcome = (await policy.fold(history)).status
        assert outcome is not FoldStatus.FAILED
        folds += outcome is FoldStatus.FOLDED
    anchor = await history.latest_summary()
    segments = from_summary(anchor.summary)
    assert message_tokens(history, segments, anchor) <= policy.budget.summary_tokens
    assert segments[-1].text
