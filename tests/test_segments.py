"""Segments, whatever their sizes: they cover everything, fit, and are seldom rewritten."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mongo_sessions.policies.segments import (
    Segment,
    fold_tokens_wanted,
    from_summary,
    merge_tokens_wanted,
    merged,
    newest_within,
    next_merge,
    render,
    to_summary,
    without_beginning,
)

SUMMARY_TOKENS = 2_000


def count(text: str) -> int:
    return len(text.split())


def of_length(tokens: int) -> str:
    return "word " * max(1, tokens)


def folds(number: int, seed: int, least: float, room: int = SUMMARY_TOKENS):
    """Fold ``number`` blocks; yield the segments, and how often each block was written, each time.

    A summariser writes between ``least`` of what is wanted and all of it.
    """
    dice = random.Random(seed)
    segments: list[Segment] = []
    writes: list[list[int]] = []

    def text(wanted: int) -> str:
        return of_length(int(wanted * dice.uniform(least, 1)))

    for block in range(number):
        first = segments[-1].last_seq + dice.randrange(1, 3) if segments else 1
        told = text(fold_tokens_wanted(count(render(segments)), room))
        segments.append(Segment(first, first + block % 7, 0, told, count(told)))
        writes.append([1])
        while count(render(segments)) > room:
            index = next_merge(segments)
            told = text(merge_tokens_wanted(segments, index, count(render(segments)), room))
            segments = merged(segments, index, told, count(told))
            both = [*writes.pop(index), *writes.pop(index)]
            writes.insert(index, [times + 1 for times in both])
        yield segments, writes


@given(seed=st.integers(0, 10**6), number=st.integers(1, 300), least=st.sampled_from([0.2, 0.7, 1]))
def test_nothing_is_rewritten_more_often_than_the_logarithm_of_the_folds(seed, number, least):
    for n, (_, writes) in enumerate(folds(number, seed, least), 1):
        assert len(list(itertools.chain(*writes))) == n
        assert max(itertools.chain(*writes)) <= math.ceil(math.log2(n)) + 1


def test_that_holds_for_ten_thousand_folds():
    *_, (segments, writes) = folds(10_000, seed=1, least=1)
    assert max(itertools.chain(*writes)) <= math.ceil(math.log2(10_000)) + 1
    assert count(render(segments)) > SUMMARY_TOKENS * 0.8, "the room is used"


@given(seed=st.integers(0, 10**6), number=st.integers(1, 200), room=st.integers(40, 3_000))
def test_the_segments_fit_and_cover_everything_without_gap_or_overlap(seed, number, room):
    previous: list[Segment] = []
    for segments, _ in folds(number, seed, least=0.2, room=room):
        assert count(render(segments)) <= room
        seqs = [seq for segment in segments for seq in (segment.first_seq, segment.last_seq)]
        assert seqs == sorted(seqs)
        assert len({segment.first_seq for segment in segments}) == len(segments)
        assert all(
            older.last_seq < newer.first_seq for older, newer in itertools.pairwise(segments)
        )
        assert seqs[0] == 1
        if previous:
            # What was covered is covered, by the same segment or by a larger one.
            for old in previous:
                assert any(
                    new.first_seq <= old.first_seq and old.last_seq <= new.last_seq
                    for new in segments
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
        ((3, 2, 1, 0), 2),
        ((0, 1, 1), 1),
    ],
)
def test_the_oldest_two_of_the_lowest_shared_level_are_merged(given_levels, index):
    assert next_merge(levels(*given_levels)) == index


def test_one_segment_alone_cannot_be_merged():
    with pytest.raises(ValueError, match="got 1"):
        next_merge(levels(0))


def test_a_merge_takes_the_place_of_both():
    segments = [Segment(n, n + 9, 1, str(n), 5) for n in (1, 11, 21)]
    assert merged(segments, 1, "both", 4) == [segments[0], Segment(11, 30, 2, "both", 4)]
    assert len(segments) == 3, "the list itself is not changed"


def test_a_fold_may_have_a_third_of_what_is_free_and_an_eighth_of_all():
    assert fold_tokens_wanted(0, 2_000) == 666
    assert fold_tokens_wanted(800, 2_000) == 400
    assert fold_tokens_wanted(1_900, 2_000) == 250


def test_a_merge_makes_room_for_another_fold_and_is_shortened_no_further():
    segments = [Segment(n, n, 0, "text", 500) for n in range(4)]
    assert merge_tokens_wanted(segments, 0, 2_100, 2_000) == 1_000 - 100 - 250
    small = [Segment(n, n, 3, "text", 100) for n in range(4)]
    assert merge_tokens_wanted(small, 0, 2_200, 2_000) == 102, "what its level can always have"
    assert merge_tokens_wanted(levels(50, 50), 0, 2_200, 2_000) == 100


def test_one_segment_of_each_level_always_finds_room():
    always = [merge_tokens_wanted(levels(n - 1, n - 1), 0, 9_999, 2_000) for n in range(1, 14)]
    assert sum(always) + fold_tokens_wanted(2_000, 2_000) < 2_000


def test_the_newest_segments_that_fit():
    segments = [Segment(n, n, 0, str(n), n * 10) for n in (3, 1, 2)]
    assert newest_within(segments, 29) == segments[2:]
    assert newest_within(segments, 30) == segments[1:]
    assert newest_within(segments, 10) == []


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


def test_what_is_stored_comes_back_and_what_others_stored_does_not():
    segments = [Segment(1, 9, 2, "old", 1), Segment(10, 12, 0, "new", 1)]
    assert from_summary(to_summary(segments, tokens=9)) == segments
    for foreign in (None, {}, {"text": "…"}, {"segments": "…"}, {"segments": [{"text": "…"}]}):
        assert from_summary(foreign) == []


def test_segments_are_rendered_oldest_first():
    assert render([Segment(1, 2, 0, "a", 1), Segment(3, 4, 0, "b", 1)]) == "a\n\nb"
