"""A summary in segments: the older what they tell of, the more of it one segment holds.

A rolling summary is rewritten as a whole each time, so an old fact is rewritten once a fold, and
lost at some time. Here a fold adds one segment. When the segments need more room than there is, two
neighbours of the same level are merged into one of the next level, as the digits of a binary
counter are carried. So after n folds a fact was rewritten about log2(n) times.

Pure functions over lists of segments, oldest first.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .policy import Summary


@dataclass(frozen=True, slots=True)
class Segment:
    """What happened from one item to another, both included."""

    first_seq: int
    last_seq: int
    level: int
    """0 for a fold; one more than its parts' for a merge: how often it was rewritten since."""
    text: str
    tokens: int


def fold_tokens_wanted(shown_tokens: int, summary_tokens: int) -> int:
    """How long a new segment should be at most, next to a summary of ``shown_tokens``.

    A third of what is still free, as the first things said are often about the whole; an eighth of
    the room when there is little.
    """
    return max(summary_tokens // 8, (summary_tokens - shown_tokens) // 3)


def merge_tokens_wanted(
    segments: Sequence[Segment], index: int, shown_tokens: int, summary_tokens: int
) -> int:
    """How long the merge at ``index`` should be at most, in a summary that has outgrown its room.

    No shorter than makes room for another fold. And no shorter than what a segment of its level
    can always have: a fifth less for each level, at least a twentieth of the room. So one segment
    of each of the levels 0 to 13 fits: the digits of a counter up to 16,383 folds.
    """
    both = segments[index : index + 2]
    level = max(segment.level for segment in both) + 1
    always = summary_tokens * max(0.8**level / 8, 1 / 20)
    excess = shown_tokens - summary_tokens + summary_tokens // 8
    return max(1, int(always), sum(segment.tokens for segment in both) - excess)


def next_merge(segments: Sequence[Segment]) -> int:
    """The index of the older one of the two neighbours to merge next.

    The oldest two of the lowest level that two neighbours share; the newest two if none do.

    Raises:
        ValueError: there are less than two.
    """
    if len(segments) < 2:  # noqa: PLR2004 - two are needed for a merge
        raise ValueError(f"a merge needs two segments, got {len(segments)}")
    shared = [
        (older.level, index)
        for index, (older, newer) in enumerate(pairwise(segments))
        if older.level == newer.level
    ]
    return min(shared)[1] if shared else len(segments) - 2


def merged(segments: Sequence[Segment], index: int, text: str, tokens: int) -> list[Segment]:
    """The segments, with one that says ``text`` for those at ``index`` and ``index + 1``."""
    older, newer = segments[index], segments[index + 1]
    level = max(older.level, newer.level) + 1
    both = Segment(older.first_seq, newer.last_seq, level, text, tokens)
    return [*segments[:index], both, *segments[index + 2 :]]


def render(segments: Sequence[Segment]) -> str:
    return "\n\n".join(segment.text for segment in segments if segment.text)


def newest_within(segments: Sequence[Segment], tokens: int) -> list[Segment]:
    """The newest segments that have at most so many tokens together."""
    newest: list[Segment] = []
    for segment in reversed(segments):
        tokens -= segment.tokens
        if tokens < 0:
            break
        newest.insert(0, segment)
    return newest


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
