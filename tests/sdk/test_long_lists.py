"""Runs and sessions with more items than the counts that are kept."""

from __future__ import annotations

from types import SimpleNamespace

from agents.run_config import CallModelData, ModelInputData

from mongo_sessions import LastTurns, ListHistory, PolicySession, TokenLimit, input_filter
from tests.support.messages import user
from tests.support.scribes import tokens

MANY = 10_500


class Counter:
    """Counts words, and how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, item: dict) -> int:
        self.asked += 1
        return tokens(item)


class InMemory:
    """A session of an application, which returns the items that it keeps, not copies."""

    session_id = "a"
    session_settings = None

    def __init__(self, items: list[dict]) -> None:
        self.items = items

    async def get_items(self, limit: int | None = None) -> list[dict]:
        return self.items[:] if limit is None else self.items[-limit:]

    async def add_items(self, items: list[dict]) -> None:
        self.items += items

    async def pop_item(self) -> dict | None:
        return self.items.pop() if self.items else None

    async def clear_session(self) -> None:
        self.items.clear()


def call_with(items: list[dict]) -> CallModelData:
    return CallModelData(
        model_data=ModelInputData(input=items, instructions=None),
        agent=SimpleNamespace(name="a"),
        context=None,
    )


async def test_a_filter_counts_only_new_items_of_a_run_that_is_longer_than_its_memory():
    counter = Counter()
    bounded = input_filter(LastTurns(5), token_counter=counter)
    items = [user(str(number)) for number in range(MANY)]
    await bounded(call_with(items))
    asked = counter.asked
    for number in range(3):
        items = [*items, user(f"new {number}"), user(f"newer {number}")]
        await bounded(call_with(items))
    assert counter.asked - asked == 6


async def test_a_policy_session_counts_only_new_items_of_a_session_longer_than_its_memory():
    counter = Counter()
    inner = InMemory([user(str(number)) for number in range(MANY)])
    session = PolicySession(inner, TokenLimit(100), token_counter=counter)
    await session.get_items()
    asked = counter.asked
    for number in range(3):
        await session.add_items([user(f"new {number}")])
        await session.get_items()
    assert counter.asked - asked == 3


async def test_an_item_that_the_inner_session_changes_in_place_is_counted_again():
    inner = InMemory([user("short"), user("end")])
    session = PolicySession(inner, TokenLimit(10), token_counter=tokens)
    assert await session.get_items() == inner.items
    inner.items[0]["content"] = "word " * 100
    assert await session.get_items() == [user("end")]


async def test_true_is_not_one():
    inner = InMemory([{**user("a"), "flag": 1}])
    session = PolicySession(inner, TokenLimit(10), token_counter=tokens)
    await session.get_items()
    inner.items = [{**user("a"), "flag": True}]
    assert (await session.get_items())[0]["flag"] is True


async def test_finding_many_calls_compares_each_item_once():
    compared = 0

    class Id(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    items = [
        {"type": "function_call", "call_id": Id(f"call_{number}"), "name": "t", "arguments": "{}"}
        for number in range(500)
    ]
    history = ListHistory(items, token_counter=tokens)
    found = await history.find([f"call_{number}" for number in range(500)], before_seq=501)
    assert found
    assert compared < 2_000
