"""Segments of any size: they cover all items, fit the budget, and are seldom rewritten."""

from __future__ import annotations

import itertools
import math
import random
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mongo_sessions.policies.policy import Entry
from mongo_sessions.policies.summarize.block import Block
from mongo_sessions.policies.summarize.budget import Budget
from mongo_sessions.policies.summarize.checked_summarizer import CheckedSummarizer
from mongo_sessions.policies.summarize.segments import (
    Segment,
    end_of,
    first_lines,
    from_summary,
    least_tokens,
    merge_tokens,
    merged,
    new_segment_tokens,
    newest_within,
    next_merge,
    render,
    to_summary,
    without_beginning,
)
from mongo_sessions.policies.summarize.usage import UsageMeter
from mongo_sessions.policies.summarize.writer import Writer
from tests.support.examples import examples

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SUMMARY_TOKENS = 2_000


def count(text: str) -> int:
    return len(text.split())


class TextTokens:
    """Stands in for SummaryTokens: counts words, and nothing for the message around them."""

    def message(self, text: str) -> int:
        return count(text)

    text = message

    empty, fixed = 0, None

    def shown(self, segments: list[Segment], _: None) -> int:
        return count(render(segments))

    def summary(self, segments: list[Segment]) -> int:
        return count(render(segments))


class GrantedLease:
    async def acquire(self) -> bool:
        return True


def block(segments: list[Segment], first: int, last: int, words: int) -> Block:
    now = datetime.now(timezone.utc)
    item = {"role": "user", "content": "said " * words}
    return Block(
        [Entry(seq, item, words, words * seq, seq, now) for seq in (first, last)], segments, []
    )


async def folds(
    number: int, seed: int, least: float, room: int = SUMMARY_TOKENS
) -> AsyncIterator[list[Segment]]:
    """Fold ``number`` blocks; yield the segments each time.

    A summariser writes between ``least`` of what is wanted and all of it.
    """
    dice = random.Random(seed)

    async def told(request) -> str:
        return "word " * max(1, int(request.wanted_tokens * dice.uniform(least, 1)))

    budget = Budget(4 * room, room, room, 4 * room)
    tokens, lease = TextTokens(), GrantedLease()
    summarizer = CheckedSummarizer(told, 1.0, tokens, lease, UsageMeter(count))
    writer = Writer(summarizer, budget, tokens)
    segments: list[Segment] = []
    for fold in range(number):
        first = segments[-1].last_seq + dice.randrange(1, 3) if segments else 1
        segments = await writer.segments(block(segments, first, first + 1 + fold % 7, room))
        yield segments


@settings(max_examples=examples(15), deadline=None)
@given(seed=st.integers(0, 10**6), number=st.integers(1, 150), least=st.sampled_from([0.2, 0.7, 1]))
async def test_nothing_is_rewritten_more_often_than_the_logarithm_of_the_folds(seed, number, least):
    n = 0
    async for segments in folds(number, seed, least):
        n += 1
        assert max(segment.level for segment in segments) <= math.ceil(math.log2(n))


async def test_that_holds_for_thousands_of_folds():
    async for segments in folds(3_000, seed=1, least=1, room=200):  # noqa: B007 - the last
        pass
    assert max(segment.level for segment in segments) <= math.ceil(math.log2(3_000))
    assert count(render(segments)) > 200 * 0.8, "the room is used"
    assert len(segments) <= math.ceil(math.log2(3_000)) + 1
    assert all(segment.text for segment in segments), "none is cut down to nothing"


@settings(max_examples=examples(15), deadline=None)
@given(seed=st.integers(0, 10**6), number=st.integers(1, 100), room=st.integers(40, 3_000))
async def test_the_segments_fit_and_cover_everything_without_gap_or_overlap(seed, number, room):
    previous: list[Segment] = []
    async for segments in folds(number, seed, least=0.2, room=room):
        assert count(render(segments)) <= room
        seqs = [seq for segment in segments for seq in (segment.first_seq, segment.last_seq)]
        assert seqs == sorted(seqs)
        assert len({segment.first_seq for segment in segments}) == len(segments)
        assert all(
            older.last_seq < newer.first_seq for older, newer in itertools.pairwise(segments)
        )
        assert seqs[0] == 1
        # Covered items stay covered, by the same segment or by a larger one.
        for old in previous:
            assert any(
                new.first_seq <= old.first_seq and old.last_seq <= new.last_seq for new in segments
            )
        previous = segments


def levels(*levels: int) -> list[Segment]:
    return [Segment(n, n, level, "text", 1) for n, level in enumerate(levels)]


@pytest.mark.parametrize(
    ("given_levels", "index"),
    [
        ((0, 0), 0),
        ((0, 0, 0), 0),
        ((1, 0, 0, 0), 1),
        ((2, 2, 1, 0, 0), 3),
        ((2, 2, 1, 0), 0),
        ((3, 2, 1, 0), None),
        ((0,), None),
        ((), None),
        ((0, 1, 1), 1),
    ],
)
def test_the_oldest_two_of_the_lowest_shared_level_are_merged(given_levels, index):
    assert next_merge(levels(*given_levels)) == index


def test_a_merge_takes_the_place_of_both():
    segments = [Segment(n, n + 9, 1, str(n), 5) for n in (1, 11, 21)]
    both = Segment(11, 30, 2, "both", 4, rewrites=1)
    assert merged(segments, 1, "both", 4) == [segments[0], both]
    assert len(segments) == 3, "the list itself is not changed"


def test_a_fold_gets_a_third_of_the_free_tokens_and_a_quarter_of_all():
    assert new_segment_tokens(2_000, free=2_000) == 666
    assert new_segment_tokens(2_000, free=1_200) == 500
    assert new_segment_tokens(2_000, free=0) == 500


def test_a_merge_is_shortened_by_the_tokens_of_older_segments():
    assert merge_tokens(800, excess=300, spare=0, least=100) == 500
    assert merge_tokens(800, excess=300, spare=200, least=100) == 700
    assert merge_tokens(800, excess=300, spare=900, least=100) == 799, "a merge is never longer"
    assert merge_tokens(800, excess=300, spare=0, least=600) == 600


@pytest.mark.parametrize("number", range(1, 30))
def test_the_minimum_of_each_segment_leaves_half_of_the_budget(number):
    assert 0 <= number * least_tokens(2_000, number) <= 1_000
    assert number * least_tokens(2_000, number) > 1_000 - number


def test_the_newest_segments_that_fit():
    segments = [Segment(n, n, 0, "text " * n, n) for n in (3, 1, 2)]

    def newest(tokens: int) -> int:
        return count(newest_within(segments, lambda text: count(text) <= tokens))

    assert [newest(tokens) for tokens in (1, 2, 3, 5, 6, 99)] == [0, 2, 3, 3, 6, 6]
    assert newest_within(segments, lambda text: count(text) <= 3) == render(segments[1:])


@given(text=st.text("ab \n", max_size=40), most=st.integers(0, 40))
def test_the_first_lines_that_fit_are_whole(text, most):
    lines = first_lines(text, lambda text: len(text) <= most)
    assert text.startswith(lines)
    assert len(lines) <= most
    rest = text[len(lines) :]
    assert not rest or lines == "" or lines.endswith("\n")
    assert not rest or len(lines + rest.splitlines(keepends=True)[0]) > most


@given(text=st.text("ab \n", max_size=60), most=st.integers(0, 60))
def test_the_end_of_a_text_begins_with_a_line_or_a_word(text, most):
    end = end_of(text, lambda text: len(text) <= most)
    assert text.endswith(end)
    assert len(end) <= most
    near = text[len(text) - most :][: most // 2 - 1]
    if 0 < most < len(text) and ("\n" in near or " " in near):
        assert text[: -len(end)][-1] in " \n"
    elif most < len(text):
        assert len(end) >= most // 2 - 1


def test_the_kept_end_of_a_text_is_as_long_as_possible():
    text = "\n".join(f"line {n} of ten" for n in range(10))
    assert end_of(text, lambda text: count(text) <= 11) == text[-len("line 8 of ten\n" * 2) + 1 :]
    assert end_of("one " * 9 + "\nend", lambda text: count(text) <= 7) == "one " * 6 + "\nend"
    assert end_of("x" * 99, lambda text: len(text) <= 7) == "x" * 7
    assert end_of("text", lambda text: False) == ""
    assert end_of(text, lambda text: True) == text


def test_a_summary_loses_its_beginning_segment_by_segment_and_then_word_by_word():
    segments = [Segment(1, 2, 1, "old", 1), Segment(3, 4, 0, "one two three four", 4)]
    assert without_beginning(segments) == segments[1:]
    texts = []
    left = segments[1:]
    while left[0].text:
        left = without_beginning(left)
        texts.append(left[0].text)
    assert texts == ["four", ""]
    assert segments[1].text == "one two three four"


def test_stored_segments_are_decoded_and_foreign_summaries_ignored():
    segments = [Segment(1, 9, 2, "old", 1), Segment(10, 12, 0, "new", 1)]
    assert from_summary(to_summary(segments, tokens=9)) == segments
    for foreign in (None, {}, {"text": "…"}, {"segments": "…"}, {"segments": [{"text": "…"}]}):
        assert from_summary(foreign) == []


def test_segments_are_rendered_oldest_first():
    assert render([Segment(1, 2, 0, "a", 1), Segment(3, 4, 0, "b", 1)]) == "a\n\nb"
