"""Rules for places and their numbers, for summaries, and for polled items."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import accumulate, pairwise, product
from typing import TYPE_CHECKING, Any

from .marks import Covered, checksum
from .redaction_rules import versions_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .marks import Version
    from .story import Story

_MOST_DIFFERENCES = 100_000


def places_are_taken_once(story: Story) -> Iterator[tuple[str, str]]:
    """Places start at 1 without a gap, and keep their ``_id``, in each poll, too.

    Those of a copy start at the place of its fork.
    """
    first = 1 if story.copied_to is None else story.copied_to.seq
    seqs = [place.seq for place in story.places if place.seq >= first]
    if seqs and seqs != list(range(first, first + len(seqs))):
        missing = sorted({*range(first, max(seqs) + 1)} - {*seqs})
        yield "misplaced", f"{len(seqs)} places up to {max(seqs)}; missing are {missing[:10]}"
    ids: defaultdict[int, set[str]] = defaultdict(set)
    for place in story.places:
        ids[place.seq].add(place.id)
    for polled in story.polled:
        for seen in polled.seen:
            ids[seen.seq].add(seen.id)
    for seq, taken in ids.items():
        if len(taken) > 1:
            yield "misplaced", f"place {seq} was taken by {sorted(taken)}"


def pollers_miss_nothing(story: Story) -> Iterator[tuple[str, str]]:
    """Up to where a poller has come, it has seen each item that is there: once, and in order."""
    seen: defaultdict[str, list[int]] = defaultdict(list)
    marks: defaultdict[str, Counter[object]] = defaultdict(Counter)
    for polled in story.polled:
        for entry in polled.seen:
            seen[polled.poller].append(entry.seq)
            marks[polled.poller][entry.mark] += 1
    for poller, seqs in seen.items():
        if any(b <= a for a, b in pairwise(seqs)):
            yield "misordered", f"{poller} saw {seqs}"
        there = {place.seq for place in story.live if place.seq <= max(seqs)}
        if missed := there - set(seqs):
            yield "missed", f"{poller} did not see {sorted(missed)[:10]}"
        twice = [mark for mark, times in marks[poller].items() if times > 1]
        if twice:
            yield "doubled", f"{poller} saw {twice[:3]} twice"


def numbers_grow(story: Story) -> Iterator[tuple[str, str]]:
    documents = [place.document for place in story.live]
    for a, b in pairwise(documents):
        if b["total_tokens"] < a["total_tokens"] + b["tokens"] or b["turn"] < a["turn"]:
            yield "miscounted", f"the numbers of {_numbers(b)} follow {_numbers(a)}"
    if not story.is_only_added_to:
        return
    totals = accumulate(document["tokens"] for document in documents)
    for place, (document, total) in enumerate(zip(documents, totals, strict=True), 1):
        if (document["seq"], document["total_tokens"]) != (place, total):
            yield "miscounted", f"{_numbers(document)} should be {place}, {total}"


def summaries_tell_what_is_there(story: Story) -> Iterator[tuple[str, str]]:
    """Each summary covers the items up to its own: all of them, once, and no other."""
    texts = [place.text for place in story.live if place.text is not None]
    for number, place in enumerate(story.live, 1):
        if not place.document.get("summary"):
            continue
        segments = place.document["summary"]["segments"]
        told = Covered.told_in("\n".join(segment["text"] for segment in segments))
        there = Covered.of(texts[:number])
        is_told = told == there or _was_there(story, told, texts[:number])
        if not is_told or segments[-1]["last_seq"] != place.seq:
            yield "mistold", f"at seq {place.seq}: {told}, there is {there}"


def _was_there(story: Story, told: Covered, texts: list[Version]) -> bool:
    """Whether a redaction with an unknown outcome explains the difference: it may be half done."""
    there = Covered.of(texts)
    unknown = {r.mark for r in story.redacted if r.outcome not in ("acknowledged", "refused")}
    differences = {0}
    for text in texts:
        if text.mark in unknown:
            others = [checksum(other) - checksum(text) for other in versions_at(story, text.mark)]
            differences |= {sum(both) for both in product(differences, others)}
        if len(differences) > _MOST_DIFFERENCES:
            return True
    return told.items == there.items and told.checksum - there.checksum in differences


def _numbers(document: dict[str, Any]) -> tuple[int, ...]:
    return tuple(document[field] for field in ("seq", "tokens", "total_tokens", "turn"))


PLACE_RULES = (
    places_are_taken_once,
    pollers_miss_nothing,
    numbers_grow,
    summaries_tell_what_is_there,
)
