"""The part of a long text that has the most words of a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .terms import Term

_COMPARED = 200_000
"""Characters of a text in which the words are looked for."""
_BEFORE = 4
"""A part of the excerpt in front of its first word: a quarter."""
_MARK = "…"


def excerpt(text: str, terms: Sequence[Term], length: int) -> str:
    """About ``length`` characters of ``text``, around its words; all of it, if it is no longer.

    Without a word of the query, the beginning. A mark stands where text is left out.
    """
    if len(text) <= max(length, len(_MARK)):
        return text
    lower = text[:_COMPARED].lower()
    places = [place for term in terms if (place := lower.find(term.text)) >= 0]
    first = max(places, key=lambda place: _near(place, places, length), default=0)
    start = min(max(0, first - length // _BEFORE), len(text) - length)
    end = start + length
    before, after = _MARK if start > 0 else "", _MARK if end < len(text) else ""
    return f"{before}{text[start:end].strip()}{after}"


def _near(first: int, places: Sequence[int], length: int) -> int:
    """How many words an excerpt from ``first`` on has."""
    reach = length - length // _BEFORE
    return sum(first <= place < first + reach for place in places)
