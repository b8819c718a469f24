"""A thousand turns, about 480,000 tokens: tokens sent, facts kept, and the cost of summaries."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

from mongo_sessions import MongoSessionStore, SummarizeOlder, TiktokenCounter
from tests.support.scribes import Scribe

TEXT = (
    "we have looked into the matter and the carrier confirmed that it will arrive soon ; invoice "
    "4711 was paid on 3 May , the rest is open . please ask Ann Moreau about the damaged parcel"
)
WORDS = TEXT.split()

counter = TiktokenCounter()


@cache
def count_text(text: str) -> int:
    return counter({"role": "user", "content": text})


def count(item: dict[str, Any]) -> int:
    """As :class:`TiktokenCounter`, but each text once."""
    texts = [item.get(field) for field in ("content", "name", "arguments", "output")]
    return sum(count_text(text) for text in texts if text)


class Words:
    def __init__(self) -> None:
        self._dice = random.Random(480)

    def __call__(self, least: int, most: int) -> str:
        return " ".join(self._dice.choices(WORDS, k=self._dice.randrange(least, most)))


def turn(number: int, words: Words) -> list[list[dict[str, Any]]]:
    """The batches that the SDK would write."""
    call = {
        "type": "function_call",
        "call_id": f"call_{number}",
        "name": "look_up",
        "arguments": words(5, 15),
    }
    output = {
        "type": "function_call_output",
        "call_id": f"call_{number}",
        "output": words(100, 480),
    }
    tools = [[call, output]] if number % 2 else []
    return [
        [{"role": "user", "content": words(10, 60)}],
        *tools,
        [{"role": "assistant", "content": words(100, 420)}],
    ]


def in_common(prompt: list[dict[str, Any]], before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    same = 0
    for item, other in zip(prompt, before, strict=False):
        if item != other:
            break
        same += 1
    return prompt[:same]


def tokens(items: list[dict[str, Any]]) -> int:
    return sum(map(count, items))


async def test_a_thousand_turns(database, driver, capsys):
    """Prompts are compared where a cache meets them: at the first model call of each turn."""
    scribe, words = Scribe(), Words()
    policy = SummarizeOlder(scribe, max_tokens=16_000)
    store = MongoSessionStore(database, token_counter=count, policy=policy)
    prompt: list[dict[str, Any]] = []
    sent = same = largest_view = largest_summary = 0
    for number in range(1_000):
        session = store.session("a")  # one per request, as in an application
        view = await session.get_items()
        largest_view = max(largest_view, tokens(view))
        if str(view[:1]).count("<conversation_summary>"):
            largest_summary = max(largest_summary, count(view[0]))
        batches = turn(number, words)
        before, prompt = prompt, [*view, *batches[0]]
        sent += tokens(prompt)
        same += tokens(in_common(prompt, before))
        for batch in batches:
            await session.add_items(batch)
        await session.flush()
    entries = [entry async for entry in store.session("a").entries()]
    anchor = [entry for entry in entries if entry.summary][-1]
    given = sum(
        count_text(request.transcript) + count_text(request.summary_so_far or " ")
        for request in scribe.requests
    )
    with capsys.disabled():
        print(
            f"\n{driver}: 1,000 turns, {entries[-1].total_tokens:,} tokens; largest view "
            f"{largest_view:,} of 16,000, largest summary {largest_summary:,} of 2,000; "
            f"{same / sent:.1%} of {sent:,} tokens sent stood in a prefix identical to the prompt "
            f"before; {len(scribe.requests)} requests to the summariser, given {given:,} tokens "
            f"for {anchor.total_tokens:,} folded: {given / anchor.total_tokens:.2f} x"
        )
    assert 450_000 < entries[-1].total_tokens < 520_000
    assert largest_view <= 16_000
    assert 1_500 < largest_summary <= 2_000
    assert same / sent >= 0.85
    assert given <= 1.5 * anchor.total_tokens
