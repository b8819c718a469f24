"""Keepsakes: identifiers and standing instructions, kept word for word if a summary lacks them.

Before a fold, they are taken from its block by rule. After it, each summary is compared with what
was taken, from this block and from the ones before: what its text does not hold is shown below it.
So a fact that a later merge drops is shown again. A summary is never refused for what it lacks.

Pure functions over items and texts: every worker gets the same result.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..items import starts_turn, traits_of
from .identifiers import Span, identifiers, on_one_line, standing_instructions
from .subjects import identity, subjects
from .transcript import commands, content_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ..policy import Entry, Summary

MOST_KEPT = 300
"""Keepsakes of a session, in its summary's text or below it."""
_MOST_BLOCK_CHARS = 300_000
_MOST_OF_MESSAGE = 40
_MOST_OF_OTHERS = 5  # a tool may return a list of thousands
_BEFORE, _AFTER = 40, 16  # characters of context around an identifier, in the same sentence
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Keepsake:
    """A piece of an item, with the identifiers in it."""

    seq: int
    """Of the newest item that has them."""
    text: str
    """On one line. It begins and ends with a few words around the identifiers."""
    keys: tuple[str, ...]
    """The identifiers, normalised; of a standing instruction, its sentence."""
    is_standing: bool = False
    """A standing instruction of the user."""


def collected(entries: Sequence[Entry]) -> list[Keepsake]:
    """The keepsakes of a block, oldest first."""
    found: list[Keepsake] = []
    left = _MOST_BLOCK_CHARS
    # Newest first: of a block that is too long, the newest items are examined.
    for entry in reversed(entries):
        of_item = list(_of(entry, left))
        left -= sum(len(text) for text in _texts(entry))
        found += reversed(of_item)
        if left <= 0:
            break
    return found[::-1]


def united(older: Iterable[Keepsake], newer: Iterable[Keepsake]) -> list[Keepsake]:
    """Both as a set, oldest first: of what is told twice, the newest. At most :data:`MOST_KEPT`.

    A keepsake leaves when all its identifiers are in newer ones, or have another value there.
    """
    known: set[str] = set()
    kept: list[Keepsake] = []
    for keepsake in reversed([*older, *newer]):
        identities = set(map(identity, keepsake.keys))
        if not known.issuperset(identities) and len(kept) < MOST_KEPT:
            kept.append(keepsake)
            known |= identities
    return kept[::-1]


def missing_in(text: str, keepsakes: Sequence[Keepsake]) -> list[Keepsake]:
    """The keepsakes of which ``text`` lacks an identifier."""
    normal = normalised(text)
    return [one for one in keepsakes if not all(_holds(normal, key) for key in one.keys)]


def with_newer_values(missing: Sequence[Keepsake], all_: Sequence[Keepsake]) -> list[Keepsake]:
    """``missing``, and the newer ones of ``all_`` that have a subject of these.

    A summary that rightly holds the newer value lacks the older one, which must not stand alone.
    """
    lacking = set(missing)
    seen: set[str] = set()  # subjects of the missing ones so far
    chosen: list[Keepsake] = []
    for one in all_:
        of_one = frozenset() if one.is_standing else subjects(one.keys, normalised(one.text))
        if one in lacking:
            seen |= of_one
        if one in lacking or not seen.isdisjoint(of_one):
            chosen.append(one)
    return chosen


def within(
    keepsakes: Sequence[Keepsake], tokens: int, count: Callable[[str], int]
) -> list[Keepsake]:
    """The newest that have ``tokens`` together, oldest first: the longest unused leaves first.

    Standing instructions come first, up to half of the room: a user says them once.
    """
    standing = [one for one in keepsakes if one.is_standing]
    chosen, used = _newest(standing, tokens // 2, count)
    rest, _ = _newest([one for one in keepsakes if not one.is_standing], tokens - used, count)
    kept = {*chosen, *rest}
    return [one for one in keepsakes if one in kept]


def line_of(keepsake: Keepsake) -> str:
    """The keepsake as a line of the summary message."""
    return f"- {keepsake.seq}: {keepsake.text}"


def normalised(text: str) -> str:
    """Equal for texts that differ in letter case, spaces, and compatible characters alone."""
    return on_one_line(unicodedata.normalize("NFKC", text).casefold())


def to_stored(keepsakes: Iterable[Keepsake]) -> list[dict[str, Any]]:
    return [
        {"seq": one.seq, "text": one.text, "keys": list(one.keys)}
        | ({"is_standing": True} if one.is_standing else {})
        for one in keepsakes
    ]


def from_stored(summary: Summary | None, field: str) -> list[Keepsake]:
    """The keepsakes in a field of a stored summary; empty if another version has stored it."""
    stored: Sequence[Mapping[str, Any]] = (summary or {}).get(field) or ()
    try:
        return [Keepsake(**{**one, "keys": tuple(one["keys"])}) for one in stored]
    except (KeyError, TypeError):
        return []


def _newest(
    keepsakes: Sequence[Keepsake], tokens: int, count: Callable[[str], int]
) -> tuple[list[Keepsake], int]:
    kept: list[Keepsake] = []
    used = 0
    for keepsake in reversed(keepsakes):
        cost = count("\n" + line_of(keepsake))
        if used + cost <= tokens:
            kept.append(keepsake)
            used += cost
    return kept, used


def _holds(normal: str, key: str) -> bool:
    """Whether the text holds the key as a word: "12 kg" is not in "112 kg"."""
    start = normal.find(key)
    while start >= 0:
        end = start + len(key)
        if not (_joins(normal, start - 1, start) or _joins(normal, end - 1, end)):
            return True
        start = normal.find(key, end)
    return False


def _joins(text: str, left: int, right: int) -> bool:
    """Whether the characters at both places belong to one word."""
    return left >= 0 and right < len(text) and text[left].isalnum() and text[right].isalnum()


def _texts(entry: Entry) -> list[str]:
    return [content_of(entry.item), *commands(entry.item)]


def _of(entry: Entry, most_chars: int) -> Iterator[Keepsake]:
    item, seq = entry.item, entry.seq
    if starts_turn(item):
        for sentence in standing_instructions(content_of(item)[:most_chars]):
            yield Keepsake(seq, sentence, (normalised(sentence),), is_standing=True)
    traits = traits_of(item)
    if traits.is_reasoning:
        return
    is_message = "role" in item
    most = _MOST_OF_MESSAGE if is_message else _MOST_OF_OTHERS
    for command in commands(item)[:most]:
        text = on_one_line(command)[:_LONGEST]
        yield Keepsake(seq, text, (normalised(text),))
    text = content_of(item)[:most_chars]
    spans = identifiers(text, with_quotes=is_message)[:most]
    for excerpt, keys in _excerpts(text, spans):
        yield Keepsake(seq, excerpt, keys)


def _excerpts(text: str, spans: Sequence[Span]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The spans with a few words around each; overlapping ones as one excerpt."""
    start = end = 0
    keys: list[str] = []
    for span in spans:
        window = _window(text, span)
        if keys and window.start <= end and window.end - start <= _LONGEST:
            end = max(end, window.end)
        else:
            if keys:
                yield on_one_line(text[start:end]), tuple(keys)
            start, end = window
            keys = []
        key = normalised(text[span.start : span.end])
        keys += [key] if key not in keys else []
    if keys:
        yield on_one_line(text[start:end]), tuple(keys)


def _window(text: str, span: Span) -> Span:
    """The span with whole words around it, in the same sentence and line."""
    before = text[max(0, span.start - _BEFORE) : span.start]
    if span.start > _BEFORE:
        before = before.partition(" ")[2]
    for mark in ("\n", ". ", "! ", "? "):
        before = before[before.rfind(mark) + len(mark) :] if mark in before else before
    after = text[span.end : span.end + _AFTER]
    if span.end + _AFTER < len(text):
        after = after.rpartition(" ")[0]
    for mark in ("\n", ". ", "! ", "? "):
        after = after.partition(mark)[0]
    return Span(span.start - len(before), span.end + len(after))
