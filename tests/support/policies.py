"""Policies of every kind, for tests that hold whatever the policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mongo_sessions import SummarizeOlder, TokenLimit
from mongo_sessions.policies import drop_unpaired
from tests.support.scribes import BadScribe, Scribe

if TYPE_CHECKING:
    from collections.abc import Callable

    from mongo_sessions import History, Item, RetrievalPolicy


async def newest_ten(history: History) -> list[Item]:
    """A policy without token counts, and without a ``view``."""
    items: list[Item] = []
    async for entry in history.newest_first():
        items.append(entry.item)
        if len(items) == 10:
            break
    return drop_unpaired(items[::-1])


async def with_a_preface(history: History) -> list[Item]:
    """A policy that adds an item of its own, and shows the last one twice."""
    items = await newest_ten(history)
    return [{"role": "developer", "content": "Be brief, please."}, *items, *items[-1:]]


async def nothing(history: History) -> list[Item]:
    return []


POLICIES: dict[str, Callable[[], RetrievalPolicy | None]] = {
    "none": lambda: None,
    "TokenLimit": lambda: TokenLimit(400),
    "TokenLimit, tiny": lambda: TokenLimit(20),
    "TokenLimit, large": lambda: TokenLimit(100_000),
    "TokenLimit, whole prompt": lambda: TokenLimit(400, whole_prompt=True),
    "SummarizeOlder": lambda: SummarizeOlder(Scribe(), max_tokens=1_000),
    "SummarizeOlder, in the foreground": lambda: SummarizeOlder(
        Scribe(), max_tokens=1_000, background=False
    ),
    "SummarizeOlder that fails": lambda: SummarizeOlder(
        BadScribe("raises"), max_tokens=1_000, wait_seconds=0.01
    ),
    "SummarizeOlder that fails in the foreground": lambda: SummarizeOlder(
        BadScribe("raises"), max_tokens=1_000, background=False
    ),
    "a function": lambda: newest_ten,
    "a function that adds": lambda: with_a_preface,
    "a function that shows nothing": lambda: nothing,
}
