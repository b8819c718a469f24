"""Rules for forks: a copy appears as a whole, and equals a state that its source had meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .removals import earliest, latest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .journal import Forked
    from .states import Place
    from .story import Story

_SAME = ("tokens", "total_tokens", "turn", "gaps", "created_at")


def acknowledged_copies_appear(story: Story) -> Iterator[tuple[str, str]]:
    fork = story.fork
    if fork is None or fork.outcome != "acknowledged":
        return
    if not _has_appeared(story):
        yield "lost", f"there is no copy of {fork}"
    elif fork.upto is not None and story.copied_to and story.copied_to.seq != fork.upto + 1:
        yield "misplaced", f"the copy ends at {story.copied_to.seq - 1}: {fork}"


def refused_copies_do_not(story: Story) -> Iterator[tuple[str, str]]:
    live = [place.seq for place in story.copied if place.state == "live"]
    if live and story.fork and story.fork.outcome == "refused":
        yield "kept", f"{len(live)} items of {story.fork}"


def copied_items_are_those_of_the_source(story: Story) -> Iterator[tuple[str, str]]:
    if story.source is None:
        return
    there = {place.seq: place for place in story.source.places if place.state != "taken"}
    for copy in _items(story):
        place = there.get(copy.seq)
        is_other = place and None not in (place.mark, copy.mark) and place.mark != copy.mark
        if place is None or is_other:
            yield "misplaced", f"{copy.mark} at {copy.seq} is a copy of {place and place.mark}"
            continue
        wrong = [name for name in _SAME if copy.document.get(name) != place.document.get(name)]
        if wrong:
            yield "miscounted", f"the copy of {place.mark} at {copy.seq} has another {wrong}"


def copies_are_of_one_moment(story: Story) -> Iterator[tuple[str, str]]:
    """All that is absent was removed by then, and nothing that is there."""
    fork, source = story.fork, story.source
    if fork is None or source is None or story.copied_to is None or not _has_appeared(story):
        return
    copies = {place.seq: place for place in _items(story)}
    if fork.outcome != "acknowledged" and all(p.state != "live" for p in copies.values()):
        return  # it may have been refused
    end = story.copied_to.seq
    sources = [p for p in source.places if p.seq < end and p.state != "taken"]
    absent = [place for place in sources if place.seq not in copies]
    after, last = _latest_of(fork, source, absent)
    before, first = _earliest_of(fork, source, sources, copies)
    if after > before:
        kind = "torn" if first and last else "kept" if first else "lost"
        yield kind, f"{fork} lacks {last} (removed after {after}), and has {first} ({before})"


def deleted_copies_are_gone(story: Story) -> Iterator[tuple[str, str]]:
    if story.fork is None:
        return
    live = [place.seq for place in story.copied if place.state == "live"]
    for deleted in story.deleted:
        is_later = story.fork.end < deleted.begin
        if live and is_later and deleted.outcome == "acknowledged":
            yield "kept", f"{len(live)} copied items are there after {deleted}"


def _has_appeared(story: Story) -> bool:
    """Whether the barrier of the fork was lifted."""
    place = story.copied_to
    return place is not None and "barrier" not in place.document and "deleted" not in place.document


def _items(story: Story) -> list[Place]:
    """The copies, but not what an attempt has removed again."""
    return [p for p in story.copied if p.state != "taken" and "copy" not in p.document]


def _latest_of(fork: Forked, source: Story, absent: list[Place]) -> tuple[float, Place | None]:
    """From when on all of these may have been absent; the last one to go."""
    times = [(earliest(source, place, place.mark), place) for place in absent]
    last = max(times, key=lambda one: one[0], default=None)
    return (fork.begin, None) if last is None or last[0] < fork.begin else last


def _earliest_of(
    fork: Forked, source: Story, sources: list[Place], copies: dict[int, Place]
) -> tuple[float, Place | None]:
    """Until when all that was copied may have been there; the first one to go."""
    times = [
        (latest(source, place, place.mark or copies[place.seq].mark), place)
        for place in sources
        if place.seq in copies
    ]
    first = min(times, key=lambda one: one[0], default=None)
    return (fork.end, None) if first is None or first[0] > fork.end else first


COPY_RULES = (
    acknowledged_copies_appear,
    refused_copies_do_not,
    copied_items_are_those_of_the_source,
    copies_are_of_one_moment,
    deleted_copies_are_gone,
)
