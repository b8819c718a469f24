"""Rules for redactions: the old text is nowhere afterwards, and nothing else has changed."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from .marks import Version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .journal import Redacted
    from .marks import Mark
    from .story import Story


def versions_at(story: Story, mark: Mark, time: float = inf) -> set[Version]:
    """What an item can say to a read that begins at ``time``; without one, at the end."""
    tried = [r for r in story.redacted if r.mark == mark and r.outcome != "refused"]
    done = [r for r in tried if r.outcome == "acknowledged" and r.end < time]

    def is_over(one: Redacted | None) -> bool:
        return any(one is None or one.end < redacted.begin for redacted in done)

    found = {Version(mark, one.redaction) for one in tried if not is_over(one)}
    return found if is_over(None) else {*found, Version(mark)}


def the_old_text_is_gone(story: Story) -> Iterator[tuple[str, str]]:
    """From the stored items, and from what was popped afterwards."""
    began = {popped.mark: popped.begin for popped in story.popped}
    for place in story.everything:
        if place.mark is None or place.mark.batch not in story.added or place.text is None:
            continue
        time = inf if place.state == "live" else began.get(place.mark, 0.0)
        if place.state in ("live", "popped"):
            yield from _problems(story, place.text, time, f"at {place.seq}")


def no_read_shows_the_old_text(story: Story) -> Iterator[tuple[str, str]]:
    for polled in story.polled:
        for seen in polled.seen:
            text = Version(seen.mark, seen.redaction)
            yield from _problems(story, text, polled.begin, f"for {polled.poller}")
    for looked in story.looked:
        for text in looked.shown:
            yield from _problems(story, text, looked.begin, f"in a view at {looked.begin}")


def _problems(story: Story, text: Version, time: float, where: str) -> Iterator[tuple[str, str]]:
    tried = {r.redaction for r in story.redacted if r.mark == text.mark and r.outcome != "refused"}
    if text.redaction is not None and text.redaction not in tried:
        yield "unheard of", f"no redaction has written {text} {where}"
    elif text.mark in story.redacted_marks and text not in versions_at(story, text.mark, time):
        yield "kept", f"{text} {where}, after its redaction"


REDACTION_RULES = (the_old_text_is_gone, no_read_shows_the_old_text)
