"""Rules for batches: complete, once, contiguous, and in an order that agrees with the clock.

A rule gives the kind of each problem, and a sentence.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from .marks import Mark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .journal import Added
    from .story import Story


def all_were_tried(story: Story) -> Iterator[tuple[str, str]]:
    for mark in {*story.by_mark, *story.handed_out}:
        added = story.added.get(mark.batch)
        if (
            added is None
            or mark.part >= added.size
            or mark.size != added.size
            or added.outcome == "refused"
        ):
            yield "unheard of", f"no append of {mark} here"
    tried = sum(added.size for added in story.added.values() if added.outcome != "refused")
    places = sum(place.state != "taken" for place in story.places)
    if places > tried:
        yield "unheard of", f"{places} places, and only {tried} items were added"


def nothing_is_there_twice(story: Story) -> Iterator[tuple[str, str]]:
    for mark, places in story.by_mark.items():
        if len(places) > 1:
            yield "doubled", f"{mark} is at {[(p.seq, p.state) for p in places]}"


def nothing_is_lost(story: Story) -> Iterator[tuple[str, str]]:
    """Acknowledged items are stored, unless a removal may have stripped them."""
    unknown = sum(place.mark is None and place.state != "taken" for place in story.places)
    for added in story.added.values():
        if not added.acknowledged:
            continue
        marks = [Mark(added.batch, part, added.size) for part in range(added.size)]
        missing = [mark for mark in marks if mark not in story.by_mark]
        kind = "lost" if len(missing) == added.size else "torn"
        if not all(map(story.may_be_removed, missing)):
            yield kind, f"{added} lacks {[mark.part for mark in missing]}"
            continue
        unknown -= len(missing)
        if missing and unknown < 0:
            yield kind, f"{added} lacks {[mark.part for mark in missing]}: no place is left for it"


def batches_are_whole(story: Story) -> Iterator[tuple[str, str]]:
    """Unacknowledged batches, too, if a part is stored."""
    for added in story.added.values():
        parts = _parts(story, added)
        missing = [part for part in range(added.size) if part not in parts]
        unexplained = [
            part
            for part in missing
            if not story.may_be_removed(Mark(added.batch, part, added.size))
        ]
        if parts and unexplained and not added.acknowledged:
            yield "torn", f"{added} lacks {unexplained}"
        if len({seq - part for part, seq in parts.items()}) > 1:
            yield "torn", f"{added} is at {parts}: not together, or not in its order"


def batches_are_in_their_order(story: Story) -> Iterator[tuple[str, str]]:
    for added in story.added.values():
        parts = _parts(story, added)
        if any(parts[a] > parts[b] for a, b in pairwise(sorted(parts))):
            yield "torn", f"{added} is at {parts}: not in its order"


def removed_from_the_end(story: Story) -> Iterator[tuple[str, str]]:
    """Removals take the last items of a batch first: no live item follows a removed one."""
    for added in story.added.values():
        marks = [Mark(added.batch, part, added.size) for part in range(added.size)]
        live = [
            part
            for part, mark in enumerate(marks)
            if any(p.state == "live" for p in story.by_mark.get(mark, ()))
        ]
        if live and live != list(range(len(live))):
            yield "torn", f"{added} has {live}, and lacks what is not at its end"


def order_agrees_with_the_clock(story: Story) -> Iterator[tuple[str, str]]:
    """No batch stands behind one that was begun after it had ended; removed ones count, too."""
    latest: Added | None = None
    for place in story.places:
        added = story.added.get(place.mark.batch) if place.mark else None
        if added is None:
            continue
        if latest is not None and added.end < latest.begin:
            yield "misordered", f"{added} stands behind {latest}"
        if latest is None or added.begin > latest.begin:
            latest = added


def _parts(story: Story, added: Added) -> dict[int, int]:
    """The seq of each part of which the place is known."""
    marks = [Mark(added.batch, part, added.size) for part in range(added.size)]
    return {mark.part: story.by_mark[mark][0].seq for mark in marks if mark in story.by_mark}


_ALWAYS = (
    all_were_tried,
    nothing_is_there_twice,
    nothing_is_lost,
    order_agrees_with_the_clock,
)
BATCH_RULES = {
    True: (*_ALWAYS, batches_are_whole, removed_from_the_end),
    False: (*_ALWAYS, batches_are_in_their_order),
}
"""With transactions, and without."""
