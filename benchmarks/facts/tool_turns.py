"""A long conversation with tools: what the first model call of each turn gets."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mongo_sessions import ListHistory

from .prefix import in_common
from .runs import count_characters, mostly_short

if TYPE_CHECKING:
    from collections.abc import Callable

    from mongo_sessions import Item, RetrievalPolicy

_SEED = 2026


@dataclass(frozen=True, slots=True)
class Turns:
    """What a policy sends, turn after turn."""

    same: float
    """Share of the tokens sent that a cache can have."""
    sent: int
    """Tokens of all first calls together."""
    shown: float
    """Turns of a view on the average."""


def small(chance: random.Random) -> int:
    return chance.randrange(10, 400)


OUTPUTS: dict[str, Callable[[random.Random], int]] = {
    "small outputs": small,
    "10 to 5,000 tokens": mostly_short,
}
"""Tokens of an output."""


async def over_turns(
    policy: RetrievalPolicy, tokens: Callable[[random.Random], int], turns: int
) -> Turns:
    """Of a conversation of ``turns`` turns, most of them with a tool call or two."""
    chance = random.Random(_SEED)
    history = ListHistory([], token_counter=count_characters)
    before: list[Item] = []
    sent = same = shown = 0
    for number in range(turns):
        question, *rest = _turn(number, chance, tokens)
        prompt = [*await policy(history), question]
        counts = [count_characters(item) for item in prompt]
        sent += sum(counts)
        same += sum(counts[: in_common(prompt, before)])
        shown += sum(item.get("role") == "user" for item in prompt[:-1])
        before = prompt
        for item in (question, *rest):
            history.append(item)
    return Turns(same / sent, sent, shown / turns)


def _turn(number: int, chance: random.Random, tokens: Callable[[random.Random], int]) -> list[Item]:
    items: list[Item] = [{"role": "user", "content": _text(number, chance.randrange(10, 100))}]
    for call in range(chance.choice((0, 1, 1, 2))):
        call_id = f"call_{number}_{call}"
        output = _text(number, tokens(chance))
        items += [
            {"type": "function_call", "call_id": call_id, "name": "read", "arguments": "x" * 80},
            {"type": "function_call_output", "call_id": call_id, "output": output},
        ]
    return [*items, {"role": "assistant", "content": _text(number, chance.randrange(50, 300))}]


def _text(number: int, tokens: int) -> str:
    return f"{number} ".ljust(4 * tokens, "x")
