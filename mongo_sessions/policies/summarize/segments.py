"""A summary in segments: the older what they tell of, the more of it one segment holds.

A rolling summary is rewritten as a whole each time, so an old fact is rewritten once a fold, and
lost at some time. Here a fold adds one segment. When the segments need more room than there is, two
neighbours of the same level are merged into one of the next level, as the digits of a binary
counter are carried. So after n folds a fact was rewritten about log2(n) times.

When merges alone do not make enough room, the oldest segments are rewritten in fewer words, and
then cut: an older value of a fact must not outlive a newer one. Each keeps an equal part of half of
the room.

Pure functions over lists of segments, oldest first.
"""

from __future__ import annotations

from bisect import bisect
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..policy import Summary


@dataclass(frozen=True, slots=True)
class Segment:
    """What happened from one item to another, both included."""

    first_seq: int
    last_seq: int
    level: int
    """0 for a fold; one more than its parts' for a merge: how often it was rewritten since."""
    text: str
    tokens: int


def new_segment_tokens(room: int, free: int) -> int:
    """How long a new segment may be, in a summary with ``room`` tokens of which ``free`` are left.

    A quarter of the room: what is newest is told in full, and older segments are shortened for it.
    More while there is more, as the first things said are often about the whole.
    """
    return max(room // 4, free // 3)


def least_tokens(room: int, number: int) -> int:
    """What each of ``number`` segments can always have: half of the room, in equal parts.

    The other half is for the newest segment, and for what is not rewritten yet.
    """
    return room // (2 * max(1, number))


def merge_tokens(both: int, excess: int, spare: int, least: int) -> int:
    """How long a merge of two segments may be.

    Args:
        both: Tokens of the two.
        excess: Tokens by which the summary is too long.
        spare: Tokens that the segments before them have beyond ``least``. These go first: an older
            value must not outlive a newer one.
        least: As of :func:`least_tokens`.
    """
    return max(least, both - max(1, excess - spare))


def next_merge(segments: Sequence[Segment]) -> int | None:
    """The index of the older one of the two neighbours to merge next.

    The oldest two of the lowest level that two neighbours share. None if no two do: then there are
    at most as many segments as levels, which is the logarithm of the number of folds.
    """
    shared = [
        (older.level, index)
        for index, (older, newer) in enumerate(pairwise(segments))
        if older.level == newer.level
    ]
    return min(shared)[1] if shared else None


def merged(segments: Sequence[Segment], index: int, text: str, tokens: int) -> list[Segment]:
    """The segments, with one that says ``text`` for those at ``index`` and ``index + 1``."""
    older, newer = segments[index], segments[index + 1]
    level = max(older.level, newer.level) + 1
    both = Segment(older.first_seq, newer.last_seq, level, text, tokens)
    return [*segments[:index], both, *segments[index + 2 :]]


def render(segments: Sequence[Segment]) -> str:
    return "\n\n".join(segment.text for segment in segments if segment.text)


def newest_within(segments: Sequence[Segment], fits: Callable[[str], bool]) -> str:
    """The text of as many of the newest segments as fit."""
    number = len(segments)
    while number and not fits(render(segments[-number:])):
        number -= 1
    return render(segments[-number:]) if number else ""


def end_of(text: str, fits: Callable[[str], bool]) -> str:
    """The longest end of ``text`` that fits, or nothing.

    It begins with a line, or with a word, if that leaves out less than half of it. ``fits``
    is asked about 20 times for a megabyte.
    """
    if fits(text):
        return text
    too_long, start = 0, len(text)  # what starts here is too long; what starts there fits
    while start - too_long > 1:
        middle = (too_long + start) // 2
        too_long, start = (too_long, middle) if fits(text[middle:]) else (middle, start)
    for separator in ("\n", " "):
        # A line without its beginning may say something else, but a long one is not left out whole.
        begins = text.find(separator, start - 1) + 1
        if begins and begins - start <= (len(text) - start) // 2 and fits(text[begins:]):
            return text[begins:]
    return text[start:]


def first_lines(text: str, fits: Callable[[str], bool]) -> str:
    """As many of the first lines as fit, with their line ends."""
    lines = text.splitlines(keepends=True)
    numbers = range(1, len(lines) + 1)
    return "".join(lines[: bisect(numbers, 0, key=lambda n: not fits("".join(lines[:n])))])


def without_beginning(segments: Sequence[Segment]) -> list[Segment]:
    """The segments without the oldest; of a single one, the second half of its words."""
    if len(segments) > 1:
        return list(segments[1:])
    return [
        replace(segment, text=segment.text[len(segment.text) // 2 :].partition(" ")[2])
        for segment in segments
    ]


def to_summary(segments: Sequence[Segment], tokens: int) -> Summary:
    """What is stored: the segments, and the tokens that they have where they are shown."""
    return {"segments": [asdict(segment) for segment in segments], "tokens": tokens}


def recounted_summary(summary: Summary, count_tokens: Callable[[str], int]) -> Summary:
    """``summary`` with its segments counted by another counter.

    If a count differs, the tokens of the whole are left out: whoever shows the summary counts it.
    """
    segments = from_summary(summary)
    counted = [replace(s, tokens=count_tokens(s.text) if s.text else 0) for s in segments]
    if counted == segments:
        return summary
    rest = {field: value for field, value in summary.items() if field != "tokens"}
    return {**rest, "segments": [asdict(segment) for segment in counted]}


def from_summary(summary: Summary | None) -> list[Segment]:
    """The segments in what was stored; none if another policy has stored it."""
    if summary is None:
        return []
    try:
        return [Segment(**segment) for segment in summary["segments"]]
    except (KeyError, TypeError):
        return []
