"""A conversation that tells facts, one a turn, and corrects most of them later."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, NamedTuple

from ..data import prose

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mongo_sessions import Item

LASTING_FACTS = 8
"""Told in the first turns, and never corrected."""
CHANGING_FACTS = 160
"""Told once each, in order, and then corrected at random."""

_FACT = re.compile(r"\b([a-z]+-\d+) = (\d+)\b")


class Fact(NamedTuple):
    key: str
    value: str

    def __str__(self) -> str:
        return f"{self.key} = {self.value}"


def facts_in(text: str) -> dict[str, str]:
    """The last value of each key, in the order in which these values stand in ``text``."""
    return newest(Fact(*match.groups()) for match in _FACT.finditer(text))


def newest(facts: Iterable[Fact]) -> dict[str, str]:
    """The last value of each key, in the order of these values."""
    values: dict[str, str] = {}
    for key, value in facts:
        values.pop(key, None)
        values[key] = value
    return values


def told(seed: int) -> Iterator[Fact]:
    """One fact a turn, for ever."""
    chance = random.Random(seed)
    for number in range(LASTING_FACTS):
        yield Fact(f"contract-{number}", _value(chance))
    for number in range(CHANGING_FACTS):
        yield Fact(f"locker-{number}", _value(chance))
    while True:
        yield Fact(f"locker-{chance.randrange(CHANGING_FACTS)}", _value(chance))


def turn(fact: Fact, tokens: int, seed: int) -> list[Item]:
    """A user message with ``fact``, and an answer: about ``tokens`` tokens together."""
    characters = tokens * 4
    question = f"{prose(characters // 4, seed)}\n{fact}\n{prose(characters // 4, seed + 1)}"
    return [
        {"role": "user", "content": question},
        {"role": "assistant", "content": prose(characters // 2, seed + 2)},
    ]


def _value(chance: random.Random) -> str:
    return str(chance.randrange(1_000, 10_000))
