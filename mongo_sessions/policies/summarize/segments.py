"""A summary in segments: an older segment covers more of the conversation.

A rolling summary is rewritten at every fold, so an old fact is rewritten n times in n folds, and
finally lost. Here a fold adds one segment. When the segments exceed their room, two neighbours of
the same level are merged into one of the next level, like the carry of a binary counter. So after n
folds, a fact was rewritten about log2(n) times.

If merging does not make enough room, the oldest segments are shortened by the summariser, and then
cut: an older value of a fact must not outlive a newer one. Each segment keeps an equal share of
half of the room.

Pure functions over lists of segments, oldest first.
"""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from .usage import NOTHING_USED, to_stored

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..policy import Summary
    from .usage import SummarizerUsage


@dataclass(frozen=True, slots=True)
class Segment:
    """What happened from one item to another, both included."""

    first_seq: int
    last_seq: int
    level: int
    """How often the text was merged: 0 for a fold; for a merge, one more than its parts."""
    text: str
    tokens: int
    rewrites: int = 0
    """How often a summariser has written the oldest part of the text anew: merged or shortened."""


_FIELDS = [field.name for field in fields(Segment)]


def new_segment_tokens(room: int, free: int) -> int:
    """The length of a new segment, in a summary with ``room`` tokens of which ``free`` are left.

    At least a quarter of the room: the newest segment has its full length, and older ones are
    shortened for it. More while more is free: the beginning of a conversation often concerns all
    of it.
    """
    return max(room // 4, free // 3)


def least_tokens(room: int, number: int) -> int:
    """The length that each of ``number`` segments always keeps: an equal share of half the room.

    The other half is for the newest segment, and for segments that are not shortened yet.
    """
    return room // (2 * max(1, number))


def merge_tokens(both: int, excess: int, spare: int, least: int) -> int:
    """The length of the merge of two segments.

    Args:
        both: Tokens of the two.
        excess: Tokens by which the summary is too long.
        spare: Tokens above ``least`` of the segments before the two. They are shortened first: an
            older value must not outlive a newer one.
        least: The result of :func:`least_tokens`.
    """
    return max(least, both - max(1, excess - spare))


def next_merge(segments: Sequence[Segment]) -> int | None:
    """The index of the older of the two neighbours to merge next.

    These are the oldest two of the lowest level that two neighbours share. None if no neighbours
    share a level: then there are at most as many segments as levels, log2 of the number of folds.
    """
    shared = [
        (older.level, index)
        for index, (older, newer) in enumerate(pairwise(segments))
        if older.level == newer.level
    ]
    return min(shared)[1] if shared else None


def merged(segments: Sequence[Segment], index: int, text: str, tokens: int) -> list[Segment]:
    """The segments, with ``text`` as one segment in place of ``index`` and ``index + 1``."""
    older, newer = segments[index], segments[index + 1]
    level = max(older.level, newer.level) + 1
    is_rewritten = text != render((older, newer))
    rewrites = max(older.rewrites, newer.rewrites) + is_rewritten
    both = Segment(older.first_seq, newer.last_seq, level, text, tokens, rewrites)
    return [*segments[:index], both, *segments[index + 2 :]]


def render(segments: Sequence[Segment]) -> str:
    return "\n\n".join(segment.text for segment in segments if segment.text)


def newest_within(segments: Sequence[Segment], fits: Callable[[str], bool]) -> str:
    """The text of as many of the newest segments as fit."""
    numbers = range(1, len(segments) + 1)
    number = bisect(numbers, 0, key=lambda n: not fits(render(segments[-n:])))
    return render(segments[-number:]) if number else ""


def end_of(text: str, fits: Callable[[str], bool]) -> str:
    """The longest end of ``text`` that fits; empty if none does.

    It starts at a line, otherwise at a word, unless that drops more than half of it. ``fits`` is
    called about 20 times for a megabyte.
    """
    if fits(text):
        return text
    too_long, start = (
        0,
        len(text),
    )  # text[too_long:] does not fit, text[start:] does
    while start - too_long > 1:
        middle = (too_long + start) // 2
        too_long, start = (too_long, middle) if fits(text[middle:]) else (middle, start)
    for separator in ("\n", " "):
        # A line without its beginning may change its meaning, but a long line is not dropped whole.
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
    """The segments without the oldest one; of a single segment, the second half of its text."""
    if len(segments) > 1:
        return list(segments[1:])
    return [
        replace(segment, text=segment.text[len(segment.text) // 2 :].partition(" ")[2])
        for segment in segments
    ]


def to_summary(
    segments: Sequence[Segment], tokens: int, usage: SummarizerUsage = NOTHING_USED
) -> Summary:
    """The stored form: the segments, the tokens of the message that shows them, and the usage.

    ``usage`` is the total of the session: that of the summary before, and of this one.
    """
    return {"segments": _to_stored(segments), "tokens": tokens, "usage": to_stored(usage)}


def recounted_summary(summary: Summary, count_tokens: Callable[[str], int]) -> Summary:
    """``summary`` with its segments counted by another counter.

    If a count differs, the total is removed, and counted again when the summary is shown. The usage
    stays as it was counted: the texts of the requests are not stored.
    """
    segments = from_summary(summary)
    counted = [replace(s, tokens=count_tokens(s.text) if s.text else 0) for s in segments]
    if counted == segments:
        return summary
    rest = {field: value for field, value in summary.items() if field != "tokens"}
    return {**rest, "segments": _to_stored(counted)}


def _to_stored(segments: Sequence[Segment]) -> list[dict[str, Any]]:
    # Not dataclasses.asdict, which also copies the values: there may be hundreds of segments.
    return [{name: getattr(segment, name) for name in _FIELDS} for segment in segments]


def from_summary(summary: Summary | None) -> list[Segment]:
    """The segments of a stored summary; empty if another policy has stored it."""
    if summary is None:
        return []
    try:
        # Summaries of the first versions have no rewrites: each merge was one, at most.
        return [
            Segment(**{"rewrites": segment["level"], **segment}) for segment in summary["segments"]
        ]
    except (KeyError, TypeError):
        return []
