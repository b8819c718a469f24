"""The record of one session: attempts, polled items, and stored documents."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .journal import Deleted
from .states import places_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .journal import (
        Added,
        Cleared,
        Forked,
        History,
        Looked,
        Polled,
        Popped,
        Redacted,
        Replaced,
        Rewound,
    )
    from .marks import Mark
    from .states import Place

_LONGEST_SECONDS = 40.0
"""No operation of a client that was not told the outcome takes longer."""


@dataclass
class Story:
    name: str
    added: dict[str, Added] = field(default_factory=dict)
    popped: list[Popped] = field(default_factory=list)
    cleared: list[Cleared] = field(default_factory=list)
    replaced: list[Replaced] = field(default_factory=list)
    rewound: list[Rewound] = field(default_factory=list)
    deleted: list[Deleted] = field(default_factory=list)
    fork: Forked | None = None
    """The attempt to make this session, as a copy of ``source``."""
    source: Story | None = None
    redacted: list[Redacted] = field(default_factory=list)
    polled: list[Polled] = field(default_factory=list)
    looked: list[Looked] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)
    owner: str | None = None
    """By its card."""
    earliest: dict[tuple[int, Mark | None], float] = field(default_factory=dict)
    latest: dict[tuple[int, Mark | None], float] = field(default_factory=dict)
    """When items were removed, as far as that was looked for: see ``removals``."""

    @cached_property
    def everything(self) -> list[Place]:
        """All places, those of a copy, too."""
        seen = {s.id: s.mark for polled in self.polled for s in polled.seen}
        return places_of(self.documents, seen)

    @cached_property
    def copied_to(self) -> Place | None:
        """The place that a fork has taken above what it has copied."""
        if self.fork is None:
            return None
        taken = (p for p in self.everything if p.state == "taken" and "copy" not in p.document)
        return next(taken, None)

    @cached_property
    def copied(self) -> list[Place]:
        """What a fork has written below its place. The rules of the source are about the items."""
        if self.copied_to is None:
            return []
        below = [place for place in self.everything if place.seq < self.copied_to.seq]
        return [p for p in below if p.mark is None or p.mark.batch not in self.added]

    @cached_property
    def places(self) -> list[Place]:
        """All that was not copied."""
        copied = {place.seq for place in self.copied}
        return [place for place in self.everything if place.seq not in copied]

    @cached_property
    def live(self) -> list[Place]:
        """Copied items, too."""
        return [place for place in self.everything if place.state == "live"]

    @cached_property
    def by_mark(self) -> dict[Mark, list[Place]]:
        found: defaultdict[Mark, list[Place]] = defaultdict(list)
        for place in self.places:
            if place.mark is not None:
                found[place.mark].append(place)
        return dict(found)

    @cached_property
    def handed_out(self) -> Counter[Mark]:
        return Counter(p.mark for p in self.popped if p.mark is not None)

    @property
    def emptied(self) -> list[Cleared | Deleted]:
        """Clears and deletions. One that was refused has removed nothing."""
        return [one for one in (*self.cleared, *self.deleted) if one.outcome != "refused"]

    @cached_property
    def surely_emptied(self) -> list[Cleared | Deleted]:
        """The clears and deletions that have removed everything.

        The deletion of an owner does not find a session while another deletion has buried the card,
        and has not found what was added meanwhile.
        """
        acknowledged = [one for one in self.emptied if one.outcome == "acknowledged"]
        return [one for one in acknowledged if not self._may_miss(one)]

    def _may_miss(self, one: Cleared | Deleted) -> bool:
        if not isinstance(one, Deleted) or one.owner is None:
            return False
        return any(
            other is not one
            and other.begin < one.end
            and one.begin < min(other.end, other.begin + _LONGEST_SECONDS)
            for other in self.deleted
        )

    @property
    def is_only_added_to(self) -> bool:
        removed = self.popped or self.cleared or self.replaced or self.rewound or self.deleted
        return not (removed or self.fork or self.redacted)

    @cached_property
    def redacted_marks(self) -> set[Mark]:
        return {redacted.mark for redacted in self.redacted}

    def added_of(self, place: Place) -> Added | None:
        return self.added.get(place.mark.batch) if place.mark else None

    def may_be_removed(self, mark: Mark) -> bool:
        """Whether anything but a pop may have stripped the item of ``mark``."""
        begin = self.added[mark.batch].begin
        removals = [*self.emptied, *(r for r in self.rewound if r.outcome != "refused")]
        return any(removal.end > begin for removal in removals) or any(
            r.end > begin and mark in r.gone and r.outcome != "refused" for r in self.replaced
        )


def stories(
    history: History, documents: Iterable[dict[str, Any]], owners: dict[str, str]
) -> list[Story]:
    found: dict[str, Story] = {}

    def story(session: str) -> Story:
        return found.setdefault(session, Story(session, owner=owners.get(session)))

    for added in history.added.values():
        story(added.session).added[added.batch] = added
    for name in ("popped", "cleared", "replaced", "rewound", "redacted", "polled", "looked"):
        for operation in getattr(history, name):
            getattr(story(operation.session), name).append(operation)
    for deleted in history.deleted:
        for session in deleted.sessions:
            story(session).deleted.append(deleted)
    for forked in history.forked:
        copy = story(forked.target)
        copy.fork, copy.source = forked, story(forked.session)
    for document in documents:
        story(document["session_id"]).documents.append(document)
    return list(found.values())
