"""A history in memory behaves as a stored one does towards a policy."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mongo_sessions import ListHistory
from mongo_sessions.policies.read_only_history import ReadOnlyHistory
from mongo_sessions.policies.wrapped_history import WrappedHistory

ITEMS: list[Any] = [
    {"role": "user", "content": "Where is order A-1017?"},
    {"type": "function_call", "call_id": "c1", "name": "look_up", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": "late"},
    {"role": "assistant", "content": "It is late."},
]


@pytest.fixture
def memory() -> ListHistory:
    return ListHistory(ITEMS, token_counter=lambda _: 10)


async def test_a_claim_is_refused_after_a_failure_and_beside_a_summary(memory):
    last = memory.entries[-1]
    assert await memory.claim(last, 60)
    await memory.back_off(last, 60, "it was down")
    claim = memory.entries[-1].claim
    assert (claim.failures, claim.reason, claim.is_working) == (1, "it was down", False)
    assert not await memory.claim(last, 60)
    await memory.back_off(last, 0)
    assert memory.entries[-1].claim.failures == 2
    assert await memory.claim(last, 60)
    await memory.release(last)
    assert not memory.entries[-1].claim.is_working
    assert await memory.save_summary(last, {"text": "late"})
    assert not await memory.save_summary(last, {"text": "again"})
    assert not await memory.claim(last, 60)
    assert (await memory.latest_summary()).summary == {"text": "late"}


async def test_an_item_that_was_forgotten_gets_neither_claim_nor_summary(memory):
    last = memory.entries[-1]
    memory.keep(3)
    memory.append({"role": "user", "content": "Hello?"})  # in the same place
    assert not await memory.claim(last, 60)
    assert not await memory.save_summary(last, {"text": "late"})
    await memory.back_off(last, 60)
    await memory.release(last)
    assert memory.entries[-1].claim is None


async def test_a_summary_carries_the_pinned_items_that_it_covers(memory):
    memory.pin(1)
    memory.pin(4)
    await memory.save_summary(memory.entries[2], {"text": "late"})
    assert [pin.seq for pin in memory.entries[2].pins] == [1]


async def test_work_goes_on_behind_the_wait_for_it(memory):
    goes_on, is_done = asyncio.Event(), asyncio.Event()
    rounds: list[int] = []

    async def work() -> bool:
        await goes_on.wait()
        rounds.append(1)
        if len(rounds) == 3:
            is_done.set()
        return not is_done.is_set()

    await memory.run_in_background(work, 0)
    assert rounds == []
    goes_on.set()
    await asyncio.wait_for(is_done.wait(), 30)
    assert len(rounds) == 3


async def test_a_wrapped_history_passes_everything_on(memory):
    memory.pinned_tokens, memory.overhead_tokens = 7, 8
    wrapped, last = WrappedHistory(memory), memory.entries[-1]
    assert (wrapped.session_id, wrapped.pinned_tokens, wrapped.overhead_tokens) == (
        "in memory",
        7,
        8,
    )
    assert [entry.seq async for entry in wrapped.oldest_first(2)] == [3, 4]
    assert [entry.seq async for entry in wrapped.newest_first(3)] == [2, 1]
    assert [entry.seq for entry in await wrapped.find(["c1"], 4)] == [2, 3]
    assert [found.entry.seq for found in await wrapped.search("A-1017", limit=1)] == [1]
    assert wrapped.count_tokens(last.item) == 10
    assert await wrapped.claim(last, 60)
    await wrapped.back_off(last, 0, "it was down")
    await wrapped.release(last)
    assert await wrapped.latest_summary() is None
    assert await wrapped.save_summary(last, {"text": "late"})
    assert (await wrapped.latest_summary()).seq == 4
    assert (await wrapped.now()).tzinfo is not None


async def test_a_history_for_a_look_changes_nothing(memory):
    before = list(memory.entries)
    look, last = ReadOnlyHistory(memory), memory.entries[-1]

    async def work() -> bool:
        raise AssertionError

    assert not await look.claim(last, 60)
    await look.back_off(last, 60)
    await look.release(last)
    assert not await look.save_summary(last, {"text": "late"})
    await look.run_in_background(work, 1)
    look.skip_maintenance_until(1_000)
    assert memory.entries == before
