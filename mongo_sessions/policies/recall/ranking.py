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

_NAME_WEIGHT = 1.25
_LENGTH_POWER = 0.15
_USUAL_TOKENS = 40
_NEIGHBOURS = {1: 0.6, 2: 0.3}
"""The share that an item gains of the scores of the items at this distance."""


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


def ranked(terms: Sequence[Term], matches: Sequence[Match], items: int) -> list[Ranked]:
    """Items in the order of their scores, best first; those beside a match, too.

    Args:
        terms: The terms of the query.
        matches: The items that match any of them.
        items: How many items were compared.
    """
    weights = _weights(terms, matches, items)
    scores = {match.seq: _score(match, weights) for match in matches}
    spread: dict[int, float] = dict(scores)
    for seq, score in scores.items():
        for distance, share in _NEIGHBOURS.items():
            for beside in (seq - distance, seq + distance):
                spread[beside] = spread.get(beside, 0.0) + share * score
    shares = _shares(matches, weights)
    found = [
        Ranked(seq, score, shares.get(seq, 0.0))
        for seq, score in spread.items()
        if score > 0 and seq > 0
    ]
    return sorted(found, key=lambda one: (-one.score, -one.seq))


def _weights(terms: Sequence[Term], matches: Sequence[Match], items: int) -> list[float]:
    weights = []
    for bit, term in enumerate(terms):
        number = sum(match.terms >> bit & 1 for match in matches)
        rarity = math.log(1 + (max(items, number) - number + 0.5) / (number + 0.5))
        weights.append(rarity * (_NAME_WEIGHT if term.is_name else 1.0))
    return weights


def _shares(matches: Sequence[Match], weights: Sequence[float]) -> dict[int, float]:
    """The share of ``weights`` that each match has. A term that no item has counts, too."""
    total = sum(weights) or 1.0
    return {
        match.seq: sum(w for bit, w in enumerate(weights) if match.terms >> bit & 1) / total
        for match in matches
    }


def _score(match: Match, weights: Sequence[float]) -> float:
    total = sum(weight for bit, weight in enumerate(weights) if match.terms >> bit & 1)
    return total / float((1 + match.tokens / _USUAL_TOKENS) ** _LENGTH_POWER)
