"""The ranking of matches: rare terms count more, and so do items among other matches.

An item scores the sum of the weights of its terms (the inverse document frequency of BM25), divided
by a small power of its length. Then each item gains a share of the scores of the items around it:
an answer often has none of the words of the question. Among equal scores, the newest is first.

The constants were chosen on LoCoMo (Maharana et al. 2024): see ``make recall``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .terms import Term

_USUAL_TOKENS = 40


class Constants(NamedTuple):
    """What the ranking weighs."""

    name_weight: float = 1.25
    """Of a term that is a name."""
    length_power: float = 0.15
    """0: the length of an item does not count."""
    neighbours: tuple[float, ...] = (0.6, 0.3)
    """The share that an item gains of the scores of the items at distance 1, 2, …"""


CONSTANTS = Constants()


class Match(NamedTuple):
    """An item that matches some terms."""

    seq: int
    terms: int
    """One bit for each term, the first term in the lowest bit."""
    tokens: int = 0


class Ranked(NamedTuple):
    """An item with its score."""

    seq: int
    score: float
    share: float = 0.0
    """The share of the weight of all terms that its own terms have."""
    rarity: float = 0.0
    """The weight of its own terms, in terms that only one item has."""


def ranked(
    terms: Sequence[Term],
    matches: Sequence[Match],
    items: int,
    constants: Constants = CONSTANTS,
) -> list[Ranked]:
    """Items in the order of their scores, best first; the items beside a match, too.

    Args:
        terms: The terms of the query.
        matches: The items that match any of them.
        items: How many items were compared.
        constants: What counts how much.
    """
    weights = _weights(terms, matches, items, constants.name_weight)
    own = {match.seq: _own_weight(match, weights) for match in matches}
    scores = {m.seq: own[m.seq] / _length_norm(m, constants.length_power) for m in matches}
    spread: dict[int, float] = dict(scores)
    for seq, score in scores.items():
        for distance, share in enumerate(constants.neighbours, 1):
            for beside in (seq - distance, seq + distance):
                spread[beside] = spread.get(beside, 0.0) + share * score
    # A term that no item has counts in the total, too.
    total, rarest = sum(weights) or 1.0, _idf(1, items)
    found = [
        Ranked(seq, score, own.get(seq, 0.0) / total, own.get(seq, 0.0) / rarest)
        for seq, score in spread.items()
        if score > 0 and seq > 0
    ]
    return sorted(found, key=lambda one: (-one.score, -one.seq))


def _weights(
    terms: Sequence[Term], matches: Sequence[Match], items: int, name_weight: float
) -> list[float]:
    return [
        _idf(sum(match.terms >> bit & 1 for match in matches), items)
        * (name_weight if term.is_name else 1.0)
        for bit, term in enumerate(terms)
    ]


def _idf(number: int, items: int) -> float:
    """The weight of a term that ``number`` of ``items`` have."""
    return math.log(1 + (max(items, number) - number + 0.5) / (number + 0.5))


def _own_weight(match: Match, weights: Sequence[float]) -> float:
    return sum(weight for bit, weight in enumerate(weights) if match.terms >> bit & 1)


def _length_norm(match: Match, power: float) -> float:
    return float((1 + match.tokens / _USUAL_TOKENS) ** power)
