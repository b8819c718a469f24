"""Rules for rewinds and deletions, which take a place of their own, and for runs."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .story import Story


def rewinds_leave_nothing_above(story: Story) -> Iterator[tuple[str, str]]:
    """What they remove besides, a rule on stripped places finds."""
    rewinds = [rewound for rewound in story.rewound if rewound.outcome == "acknowledged"]
    for place in story.live:
        added = story.added_of(place)
        for rewound in rewinds:
            was_before = added is not None and added.end < rewound.begin
            was_seen = rewound.expected is not None and place.seq <= rewound.expected
            if place.seq > rewound.seq and (was_before or was_seen):
                yield "kept", f"{place.mark} at {place.seq} is there after {rewound}"


def deletions_take_a_place_each(story: Story) -> Iterator[tuple[str, str]]:
    """The deletion of an owner takes one only if it finds the session."""
    barriers = sum("deleted" in place.document for place in story.everything)
    plain = [deleted for deleted in story.deleted if deleted.owner is None]
    acknowledged = sum(deleted.outcome == "acknowledged" for deleted in plain)
    if barriers < acknowledged:
        yield "lost", f"{barriers} places of {acknowledged} deletions"
    if len(plain) == len(story.deleted) and barriers > len(plain):
        yield "doubled", f"{barriers} places of {len(plain)} deletions"


def each_place_had_an_item_or_an_edit(story: Story) -> Iterator[tuple[str, str]]:
    edits = [*story.rewound, *story.redacted]
    tried = sum(edit.outcome != "refused" for edit in edits)
    yield from _taken(story, tried)


def each_place_had_an_item_or_a_try(story: Story) -> Iterator[tuple[str, str]]:
    """Without transactions, a rewind that is refused after a lost answer may have taken one."""
    yield from _taken(story, len(story.rewound))


def _taken(story: Story, rewinds: int) -> Iterator[tuple[str, str]]:
    taken = [place for place in story.places if place.state == "taken"]
    taken = [place for place in taken if "deleted" not in place.document]
    tried = rewinds + (story.fork is not None)
    if len(taken) > tried:
        yield "unheard of", f"{len(taken)} places without an item, and only {tried} edits"


def runs_end_with_their_session(story: Story) -> Iterator[tuple[str, str]]:
    """A run that had read the session before its deletion adds nothing after it."""
    deletions = [d for d in story.deleted if d.outcome == "acknowledged" and d.owner is None]
    stored = {mark.batch for mark in story.by_mark}
    for added in story.added.values():
        if added.read == inf or not (added.acknowledged or added.batch in stored):
            continue
        for deleted in deletions:
            if added.read < deleted.begin and deleted.end < added.begin:
                yield "kept", f"{added} is of a run that began before {deleted}"


def sessions_of_an_owner_have_a_card(story: Story) -> Iterator[tuple[str, str]]:
    """Without it, the next deletion of the owner would not find the session."""
    for owner in {deleted.owner for deleted in story.deleted if deleted.owner is not None}:
        if story.live and story.owner != owner:
            yield "lost", f"{len(story.live)} items, and the owner by the card is {story.owner}"


_ALWAYS = (
    rewinds_leave_nothing_above,
    deletions_take_a_place_each,
    runs_end_with_their_session,
    sessions_of_an_owner_have_a_card,
)
EDIT_RULES = {
    True: (*_ALWAYS, each_place_had_an_item_or_an_edit),
    False: (*_ALWAYS, each_place_had_an_item_or_a_try),
}
"""With transactions, and without."""
