"""A summary in segments: the older what they tell of, the more of it one segment holds.

A rolling summary is rewritten as a whole each time, so an old fact is rewritten once a fold, and
lost at some time. Here a fold adds one segment. When the segments need more room than there is, two
neighbours of the same level are merged into one of the next level, as the digits of a binary
counter are carried. So after n folds a fact was rewritten about log2(n) times.

Pure functions over lists of segments, oldest first.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def wanted_tokens(level: int, summary_tokens: int) -> int:
    """How long a segment of this level should be, in a summary of ``summary_tokens``.

    An eighth of the summary for a fold, a fifth less for each level, at least a twentieth. So one
    segment of each of the levels 0 to 13 finds room: the digits of a counter up to 16,383 folds.
    With the default options and 16,000 tokens that is a conversation of 86 million tokens. Beyond,
    summaries go on to fit and to grow by merging, if a little more often.
    """
    return max(1, int(summary_tokens * max(0.8**level / 8, 1 / 20)))


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
    """The segments with those at ``index`` and ``index + 1`` replaced by one, which says ``text``."""
    older, newer = segments[index], segments[index + 1]
    level = max(older.level, newer.level) + 1
    both = Segment(older.first_seq, newer.last_seq, level, text, tokens)
    return [*segments[:index], both, *segments[index + 2 :]]


def render(segments: Sequence[Segment]) -> str:
    return "\n\n".join(segment.text for segment in segments)


def newest_within(segments: Sequence[Segment], tokens: int) -> list[Segment]:
    """The newest segments that have at most so many tokens together."""
    newest: list[Segment] = []
    for segment in reversed(segments):
        tokens -= segment.tokens
        if tokens < 0:
            break
        newest.insert(0, segment)
    return newest


def to_summary(segments: Sequence[Segment], tokens: int) -> Summary:
    """What is stored: the segments, and the tokens that they have where they are shown."""
    return {"segments": [asdict(segment) for segment in segments], "tokens": tokens}


def from_summary(summary: Summary | None) -> list[Segment]:
    """The segments in what was stored; none if another policy has stored it."""
    try:
        return [Segment(**segment) for segment in (summary or {})["segments"]]
    except (KeyError, TypeError):
        return []
