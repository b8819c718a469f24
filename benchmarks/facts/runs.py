"""One run with many tool calls: what each model call gets, with and without our filter.

Everything is counted by characters: how long an output is counts, and not what it says.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mongo_sessions.policies import policy_in_run, view_in_run

from .prefix import in_common

if TYPE_CHECKING:
    from collections.abc import Callable

    from mongo_sessions import Item, RetrievalPolicy

_SEED = 2026
_CHARS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Run:
    """What the model calls of a run get."""

    same: float
    """Share of the tokens sent that a cache can have."""
    sent: int
    """Tokens of all calls together."""
    largest: int
    """Tokens of the largest call."""


def mostly_short(chance: random.Random) -> int:
    """10 to 5,000 tokens: as many below 224 as above."""
    return int(10 * 500 ** chance.random())


def any_length(chance: random.Random) -> int:
    """10 to 5,000 tokens: as many below 2,505 as above."""
    return chance.randrange(10, 5_001)


OUTPUTS: dict[str, Callable[[random.Random], int]] = {
    "mostly short": mostly_short,
    "any length": any_length,
}
"""Tokens of an output."""


def count_characters(item: Item) -> int:
    """A token for four characters of the text."""
    text = next(item[name] for name in ("output", "content", "arguments") if name in item)
    return 4 + len(text) // _CHARS_PER_TOKEN


async def run(
    policy: RetrievalPolicy | None, tokens: Callable[[random.Random], int], calls: int
) -> Run:
    """A run with ``calls`` tool calls, behind a short conversation. None: without a filter."""
    before: list[Item] = []
    sent = same = largest = 0
    for items in _inputs(tokens, calls):
        shown = items
        if policy is not None:
            shown = await view_in_run(policy_in_run(policy), items, count_tokens=count_characters)
        counts = [count_characters(item) for item in shown]
        sent += sum(counts)
        same += sum(counts[: in_common(shown, before)])
        largest = max(largest, sum(counts))
        before = shown
    return Run(same / sent, sent, largest)


def _inputs(tokens: Callable[[random.Random], int], calls: int) -> list[list[Item]]:
    """The input of each model call: of the first one, and after each output."""
    chance = random.Random(_SEED)
    items: list[Item] = [
        {"role": "user", "content": "word " * 40},
        {"role": "assistant", "content": "word " * 200},
        {"role": "user", "content": "word " * 80},
    ]
    inputs = [list(items)]
    for number in range(calls):
        call_id = f"call_{number}"
        text = f"{number} ".ljust(tokens(chance) * _CHARS_PER_TOKEN, "x")
        items += [
            {"type": "function_call", "call_id": call_id, "name": "read", "arguments": "x" * 80},
            {"type": "function_call_output", "call_id": call_id, "output": text},
        ]
        inputs.append(list(items))
    return inputs
