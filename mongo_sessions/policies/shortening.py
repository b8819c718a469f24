"""Texts shortened in the middle, with a marker that says how much is missing."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_MARKER = re.compile(
    r"\[… ([0-9]{1,3}(?:,[0-9]{3}){0,5}) characters left out"
    r"(?:: read the whole output at seq ([0-9]{1,18}))? …\]"
)
_LONGEST_MARKER = 100

_ZERO_WIDTH_JOINER = "\u200d"
_LONGEST_SEQUENCE = 16
"""Characters of an emoji sequence, or of a letter with its accents, that are kept together."""


class Marker(NamedTuple):
    """Stands in place of the text that is left out."""

    characters: int
    seq: int | None
    """Where the stored item is; None if that is not known."""

    def __str__(self) -> str:
        place = "" if self.seq is None else f": read the whole output at seq {self.seq}"
        return f"[… {self.characters:,} characters left out{place} …]"


def shortened(text: str, length: int, seq: int | None) -> str:
    """The beginning and the end of ``text``, about ``length`` characters, around a marker.

    ``text`` itself, if it has at most ``length`` characters or is no longer than a marker. Takes
    time linear in the length of ``text``.
    """
    if len(text) <= max(length, _LONGEST_MARKER):
        return text
    head = _boundary(text, length - length // 2)
    tail = _boundary(text, len(text) - length // 2)
    return f"{text[:head]}{marker_for(text[head:tail], seq)}{text[tail:]}"


def equal_share(lengths: Sequence[int], total: int) -> int:
    """The length to which all longer texts are shortened, so that they have ``total`` together."""
    left, texts = total, len(lengths)
    for length in sorted(lengths):
        if length * texts >= left:
            return max(0, left // texts)
        left -= length
        texts -= 1
    return total


def marker_for(missing: str, seq: int | None) -> Marker:
    """The marker for ``missing``, which may itself contain markers of an earlier shortening."""
    characters = len(missing)
    for earlier in _MARKER.finditer(missing):
        characters += int(earlier[1].replace(",", "")) - len(earlier[0])
        seq = int(earlier[2]) if seq is None and earlier[2] else seq
    return Marker(max(0, characters), seq)


def _boundary(text: str, place: int) -> int:
    """The last place up to ``place`` that does not split a displayed character."""
    for earlier in range(place, max(0, place - _LONGEST_SEQUENCE), -1):
        if earlier == len(text) or not _are_joined(text[earlier - 1], text[earlier]):
            return earlier
    return place if place > _LONGEST_SEQUENCE else 0


def _are_joined(left: str, right: str) -> bool:
    """Whether two characters are displayed as one, or are the halves of one.

    Covers accents, variation selectors, skin tones, joined emoji, flags and surrogates.
    """
    return (
        _ZERO_WIDTH_JOINER in (left, right)
        or unicodedata.category(right) in ("Mn", "Me", "Mc")
        or "\U0001f3fb" <= right <= "\U0001f3ff"
        or ("\U0001f1e6" <= left <= "\U0001f1ff" and "\U0001f1e6" <= right <= "\U0001f1ff")
        or ("\ud800" <= left <= "\udbff" and "\udc00" <= right <= "\udfff")
        or (left, right) == ("\r", "\n")
    )
