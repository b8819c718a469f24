"""The conversation: the same items for every contender, in the format of the Responses API."""

from __future__ import annotations

import json
import random
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from mongo_sessions import TiktokenCounter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agents.items import TResponseInputItem

TURN_ITEMS = 4
"""A user message, a call of a tool, its output, the answer."""

_DISTINCT_TURNS = 500
_SEED = 2026
_TEXT = (
    "the order was sent to our office in Lisbon on Monday and the customer asked whether a refund "
    "is possible because two of the parcels had been opened before they arrived please check what "
    "the carrier says about it and tell me when we can expect an answer from them I would prefer "
    "to hear by Thursday as the invoice is due at the end of this week and nobody else knows yet"
)

count_tokens = TiktokenCounter()


def conversation(items: int) -> list[TResponseInputItem]:
    """``items`` items in whole turns. Conversations of any length have the same newest items."""
    base = _distinct_items()
    return [base[index % len(base)] for index in range(-items, 0)]


def batches(items: Sequence[TResponseInputItem]) -> Iterator[list[TResponseInputItem]]:
    """Whole turns, in the batches in which the SDK's Runner writes them."""
    for start in range(0, len(items), TURN_ITEMS):
        user, call, output, answer = items[start : start + TURN_ITEMS]
        yield from ([user], [call, output], [answer])


@cache
def token_counts() -> dict[int, int]:
    """Tokens of the items of every conversation, by ``id``: 100,000 of them share the objects."""
    return {id(item): count_tokens(_plain(item)) for item in _distinct_items()}


def total_tokens(items: Sequence[TResponseInputItem]) -> int:
    counts = token_counts()
    return sum(counts[id(item)] for item in items)


def prose(characters: int, seed: int = _SEED) -> str:
    """At most ``characters`` characters, or a few less."""
    return _prose(random.Random(seed), characters)


@cache
def _distinct_items() -> list[TResponseInputItem]:
    chance = random.Random(_SEED)
    return [item for number in range(_DISTINCT_TURNS) for item in _turn(number, chance)]


def _turn(number: int, chance: random.Random) -> list[TResponseInputItem]:
    call_id = f"call_{chance.getrandbits(96):024x}"
    lines = [
        {"line": line, "article": _prose(chance, 60), "price": chance.randrange(100_000) / 100}
        for line in range(1, 13)
    ]
    text = {"type": "output_text", "text": _prose(chance, 1_000), "annotations": [], "logprobs": []}
    turn: list[Any] = [
        {"role": "user", "content": _prose(chance, 200)},
        {
            "type": "function_call",
            "id": f"fc_{chance.getrandbits(192):048x}",
            "call_id": call_id,
            "name": "find_order",
            "arguments": json.dumps({"number": number, "why": _prose(chance, 60)}),
            "status": "completed",
        },
        {"type": "function_call_output", "call_id": call_id, "output": json.dumps(lines)},
        {
            "type": "message",
            "id": f"msg_{chance.getrandbits(192):048x}",
            "role": "assistant",
            "status": "completed",
            "content": [text],
        },
    ]
    return turn


def _prose(chance: random.Random, characters: int) -> str:
    words = chance.choices(_TEXT.split(), k=characters // 3)
    ends = accumulate(len(word) + 1 for word in words)
    return " ".join(word for word, end in zip(words, ends, strict=True) if end <= characters)


def _plain(item: Any) -> dict[str, Any]:  # noqa: ANN401 - the SDK's type is a union of TypedDicts
    return dict(item)
