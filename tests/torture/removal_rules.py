"""Rules for what removes items: each removal takes effect exactly once, and permanently."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from itertools import accumulate
from math import inf
from typing import TYPE_CHECKING

from .journal import Replaced
from .removals import earliest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .marks import Mark
    from .story import Story


def pops_take_one_item_each(story: Story) -> Iterator[tuple[str, str]]:
    popped = Counter(place.mark for place in story.places if place.state == "popped")
    for mark, times in story.handed_out.items():
        if times > 1:
            yield "doubled", f"{mark} was handed out {times} times"
        if popped[mark] == 0:
            states = [place.state for place in story.by_mark.get(mark, ())]
            kind = "kept" if "live" in states else "lost"
            yield kind, f"{mark} was handed out; there is no mark of that, but {states}"
    unheard = sum(p.outcome != "acknowledged" for p in story.popped)
    unclaimed = [mark for mark in popped if mark not in story.handed_out]
    if len(unclaimed) > unheard:
        text = f"{len(unclaimed)} were popped that no pop returned, with {unheard} pops unheard of"
        yield "lost", f"{text}: {unclaimed[:3]}"
    tokens = Counter(place.token for place in story.places if place.token is not None)
    for token, times in tokens.items():
        if times > 1:
            yield "doubled", f"the pop {token} took {times} items"


def pops_take_the_newest(story: Story) -> Iterator[tuple[str, str]]:
    """No pop returns an item, or nothing, while there is one that was surely newer."""
    there = sorted(
        {story.added[p.mark.batch] for p in story.live if p.mark and p.mark.batch in story.added},
        key=lambda added: added.end,
    )
    ends = [added.end for added in there]
    begins = list(accumulate((added.begin for added in there), max))
    for popped in story.popped:
        before = bisect_left(ends, popped.begin)
        if popped.outcome != "acknowledged" or not before:
            continue
        if popped.mark is None:
            yield "misordered", f"{popped} returned nothing, and {there[0]} was there"
            continue
        mine = story.added.get(popped.mark.batch)
        if mine and mine.end < begins[before - 1]:
            yield "misordered", f"{popped} had newer ones behind it"


def clears_leave_nothing(story: Story) -> Iterator[tuple[str, str]]:
    begins = [c.begin for c in story.surely_emptied]
    latest = max(begins, default=0)
    for place in story.live:
        added = story.added.get(place.mark.batch) if place.mark else None
        if added is not None and added.end < latest:
            yield (
                "kept",
                f"{place.mark} is there, and was added before a removal of {latest}",
            )


def clears_take_place_once(story: Story) -> Iterator[tuple[str, str]]:
    """They remove no item that was added later."""
    barriers = [
        place.document["barrier"]
        for place in story.places
        if "barrier" in place.document and place.document["barrier"] != place.document["_id"]
    ]
    if len(barriers) > len(story.cleared):
        yield "lost", f"{len(barriers)} barriers, of {len(story.cleared)} clears"
    if len(barriers) > len(set(barriers)):
        yield "doubled", "two barriers are of one clear"
    latest = max((c.end for c in story.emptied), default=0)
    for place in story.places:
        added = story.added.get(place.mark.batch) if place.mark else None
        if place.state == "cleared" and added is not None and latest < added.begin:
            yield "lost", f"{place.mark} is cleared, and was added after all clears"


def replacements_are_atomic(story: Story) -> Iterator[tuple[str, str]]:
    """Where a replacement's batch is, nothing is that it replaced."""
    for replaced in story.replaced:
        new = [mark for mark in story.by_mark if mark.batch == replaced.batch]
        if not new and replaced.outcome != "acknowledged":
            continue
        for mark in replaced.gone:
            states = [place.state for place in story.by_mark.get(mark, ())]
            if "live" in states:
                yield "kept", f"{mark} is there, and was replaced by {replaced.batch}"
            if "popped" in states:
                yield "kept", f"{mark} was popped, and also replaced by {replaced.batch}"


def items_are_replaced_once(story: Story) -> Iterator[tuple[str, str]]:
    done = Counter(
        mark
        for replaced in story.replaced
        if replaced.outcome == "acknowledged"
        for mark in replaced.gone
    )
    for mark, times in done.items():
        if times > 1:
            yield "doubled", f"{mark} was replaced {times} times"


def stripped_is_only_what_was_removed(story: Story) -> Iterator[tuple[str, str]]:
    """A place above the barriers loses its item by a replacement or a rewind only."""
    for place in story.places:
        if place.state == "stripped" and earliest(story, place, place.mark) == inf:
            yield "lost", f"{place.mark} at {place.seq} is stripped, and nothing has removed it"


def nothing_is_left_of_what_was_removed(story: Story) -> Iterator[tuple[str, str]]:
    """Neither a summary nor a claim is on a place without an item."""
    for place in story.everything:
        left = {"summary", "claim"} & {k for k, v in place.document.items() if v is not None}
        if "item" not in place.document and left:
            yield "kept", f"{place.state} at {place.seq} has a {sorted(left)} left"


def nothing_is_given_after_its_removal(story: Story) -> Iterator[tuple[str, str]]:
    """Neither to a poller nor to a pop that began when the removal was acknowledged."""
    ends: dict[Mark, float] = {}
    clears = story.surely_emptied
    rewinds = [r for r in story.rewound if r.outcome == "acknowledged"]
    for removal in [*story.popped, *story.replaced]:
        if removal.outcome == "acknowledged":
            gone = removal.gone if isinstance(removal, Replaced) else [removal.mark]
            ends |= {mark: removal.end for mark in gone if mark is not None}

    def was_removed(mark: Mark, begin: float, seq: int) -> bool:
        added = story.added.get(mark.batch)
        removals = [*clears, *(rewind for rewind in rewinds if seq > rewind.seq)]
        return any(added and added.end < r.begin and r.end < begin for r in removals)

    for polled in story.polled:
        for seen in polled.seen:
            was_gone = was_removed(seen.mark, polled.begin, seen.seq)
            if was_gone or ends.get(seen.mark, inf) < polled.begin:
                yield "kept", f"{polled.poller} saw {seen} at {polled.begin}, which was removed"
    for popped in story.popped:
        for place in story.by_mark.get(popped.mark, ()) if popped.mark else ():
            if was_removed(place.mark or popped.mark, popped.begin, place.seq):
                yield "kept", f"{popped} was handed out after its removal"


REMOVAL_RULES = (
    nothing_is_given_after_its_removal,
    pops_take_one_item_each,
    pops_take_the_newest,
    clears_leave_nothing,
    clears_take_place_once,
    replacements_are_atomic,
    items_are_replaced_once,
    stripped_is_only_what_was_removed,
    nothing_is_left_of_what_was_removed,
)
