"""The share of the tokens sent that stand in a prefix identical to the prompt before.

Prompts are compared where a provider's cache meets them: at the first model call of each turn.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from mongo_sessions import ListHistory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mongo_sessions import Item, RetrievalPolicy, SummaryRequest

_SEED = 2026


@dataclass(frozen=True, slots=True)
class Prefix:
    """What a policy sends, turn after turn."""

    same: float
    """Share of the tokens sent that a cache can have."""
    shown: float
    """Tokens of a view on the average: what the model remembers of the conversation as it was."""


def small(chance: random.Random) -> int:
    return chance.randrange(40, 120)


def medium(chance: random.Random) -> int:
    return chance.randrange(80, 400)


def heavy_tailed(chance: random.Random) -> int:
    """Most turns are small, and some are as long as fifty of them."""
    return min(4_000, int(60 * chance.paretovariate(1.1)))


TURNS: dict[str, Callable[[random.Random], int]] = {
    "small": small,
    "medium": medium,
    "heavy-tailed": heavy_tailed,
}
"""Tokens of a turn."""


def count_words(item: Item) -> int:
    """A token a word: here, how long a text is counts, and not what it says."""
    return 4 + len(str(item["content"]).split())


async def verbose(request: SummaryRequest) -> str:
    """A summariser that says as much as it may."""
    return "word " * (request.wanted_tokens - 4)


async def prefix(
    policy: RetrievalPolicy, tokens: Callable[[random.Random], int], total: int
) -> Prefix:
    """Of a conversation of ``total`` tokens, in which turns have ``tokens`` each."""
    history = ListHistory([], token_counter=count_words)
    before: list[Item] = []
    sent = same = shown = turns = 0
    for question, answer in _turns(tokens, total):
        view = await policy(history)
        prompt = [*view, question]
        counts = [count_words(item) for item in prompt]
        sent += sum(counts)
        same += sum(counts[: in_common(prompt, before)])
        shown += sum(counts[:-1])
        turns += 1
        before = prompt
        history.append(question)
        history.append(answer)
    return Prefix(same / sent, shown / turns)


def _turns(tokens: Callable[[random.Random], int], total: int) -> Iterator[tuple[Item, Item]]:
    chance = random.Random(_SEED)
    for number in count():
        if total <= 0:
            return
        length = max(24, tokens(chance))
        total -= length
        asked = length // 4
        yield (
            {"role": "user", "content": f"{number} " + "word " * (asked - 5)},
            {"role": "assistant", "content": f"{number} " + "word " * (length - asked - 5)},
        )


def in_common(prompt: list[Item], before: list[Item]) -> int:
    """How many items at their beginnings are the same."""
    for number, (item, other) in enumerate(zip(prompt, before, strict=False)):
        if item != other:
            return number
    return min(len(prompt), len(before))
