"""Folding goes on for ever: with any counter, any budget, and any summariser that keeps to it."""

from __future__ import annotations

import math
from functools import lru_cache

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mongo_sessions import ListHistory, SummarizeOlder, TiktokenCounter
from mongo_sessions.policies.block import next_block
from mongo_sessions.policies.budget import LEAST_SUMMARY_TOKENS, Budget
from mongo_sessions.policies.fold import Outcome
from mongo_sessions.policies.segments import from_summary
from mongo_sessions.policies.summary_message import summary_message
from mongo_sessions.policies.writer import MOST_BYTES

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


@settings(max_examples=100, deadline=None)
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
async def test_every_fold_ends_in_a_summary_that_fits(counter, options, how, words, script):
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
        outcome = await policy.fold(history)
        if block is None:
            assert outcome is Outcome.NOTHING
            continue
        if message_tokens(history, [], block.anchor) > policy.budget.summary_tokens:
            assert outcome is Outcome.FAILED
            assert scribe.requests == 0
            return
        assert outcome is Outcome.FOLDED
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
