"""When an item was removed: the earliest and the latest time, by the journals."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .journal import Rewound
    from .marks import Mark
    from .states import Place
    from .story import Story


def covers(rewound: Rewound, seq: int) -> bool:
    """Whether this rewind removes an item of this place, if it is there."""
    return rewound.seq < seq and (rewound.expected is None or seq <= rewound.expected)


def earliest(story: Story, place: Place, mark: Mark | None) -> float:
    """When the removal of its item can have begun at the earliest; infinite if nothing removed it.

    ``mark``: what the item said, if it is known.
    """
    if (place.seq, mark) not in story.earliest:
        story.earliest[place.seq, mark] = _earliest(story, place, mark)
    return story.earliest[place.seq, mark]


def latest(story: Story, place: Place, mark: Mark | None) -> float:
    """When the removal of its item had ended for certain; infinite if that is not known."""
    if (place.seq, mark) not in story.latest:
        story.latest[place.seq, mark] = _latest(story, place, mark)
    return story.latest[place.seq, mark]


def _earliest(story: Story, place: Place, mark: Mark | None) -> float:
    if place.state == "live":
        return inf
    if place.state == "popped":
        heard = [p.begin for p in story.popped if p.mark == mark]
        unheard = [p.begin for p in story.popped if p.outcome != "acknowledged"]
        return min(heard or unheard, default=inf)
    added = story.added.get(mark.batch) if mark else None
    since = added.begin if added else -inf
    removals = [r for r in story.rewound if covers(r, place.seq)]
    removals += [r for r in story.replaced if mark is None or mark in r.gone]
    removals += story.emptied if place.state == "cleared" else []
    return min((r.begin for r in removals if r.outcome != "refused" and r.end > since), default=inf)


def _latest(story: Story, place: Place, mark: Mark | None) -> float:
    if place.state == "live" or mark is None:
        return inf
    if place.state == "popped":
        return min((p.end for p in story.popped if p.mark == mark), default=inf)
    added = story.added.get(mark.batch)
    since = added.end if added else inf
    replaced = [r.end for r in story.replaced if mark in r.gone and r.outcome == "acknowledged"]
    removals = [r for r in story.rewound if r.seq < place.seq]
    removals += story.surely_emptied
    ends = [r.end for r in removals if r.outcome == "acknowledged" and since < r.begin]
    return min([*replaced, *ends], default=inf)
