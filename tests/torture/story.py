"""The record of one session: attempts, polled items, and stored documents."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .states import places_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .journal import Added, Cleared, History, Polled, Popped, Replaced
    from .marks import Mark
    from .states import Place


@dataclass
class Story:
    name: str
    added: dict[str, Added] = field(default_factory=dict)
    popped: list[Popped] = field(default_factory=list)
    cleared: list[Cleared] = field(default_factory=list)
    replaced: list[Replaced] = field(default_factory=list)
    polled: list[Polled] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)

    @cached_property
    def places(self) -> list[Place]:
        seen = {s.id: s.mark for polled in self.polled for s in polled.seen}
        return places_of(self.documents, seen)

    @cached_property
    def live(self) -> list[Place]:
        return [place for place in self.places if place.state == "live"]

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
    def is_only_added_to(self) -> bool:
        return not (self.popped or self.cleared or self.replaced)

    def may_be_removed(self, mark: Mark) -> bool:
        """Whether a clear or a replacement may have stripped the item of ``mark``."""
        begin = self.added[mark.batch].begin
        return any(c.end > begin for c in self.cleared) or any(
            r.end > begin and mark in r.gone and r.outcome != "refused" for r in self.replaced
        )


def stories(history: History, documents: Iterable[dict[str, Any]]) -> list[Story]:
    found: dict[str, Story] = {}

    def story(session: str) -> Story:
        return found.setdefault(session, Story(session))

    for added in history.added.values():
        story(added.session).added[added.batch] = added
    for popped in history.popped:
        story(popped.session).popped.append(popped)
    for cleared in history.cleared:
        story(cleared.session).cleared.append(cleared)
    for replaced in history.replaced:
        story(replaced.session).replaced.append(replaced)
    for polled in history.polled:
        story(polled.session).polled.append(polled)
    for document in documents:
        story(document["session_id"]).documents.append(document)
    return list(found.values())
