"""The block that a fold summarises: where it ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mongo_sessions.policies import allowed_cuts
from mongo_sessions.policies.summarize.block import next_block
from tests.support.conversations import conversation, rejections
from tests.support.folding import count, history_of, in_foreground, seeds
from tests.support.scribes import Scribe, answer, tokens, turns, user


@given(seed=seeds, number=st.integers(5, 20), fold_tokens=st.sampled_from([60, 300, 1_000]))
async def test_a_block_does_not_depend_on_later_items(seed, number, fold_tokens):
    """Two workers that read at different times fold the same block."""
    items = conversation(seed, number)
    first = None
    for length in range(1, len(items) + 1):
        history = history_of(items[:length], token_counter=count)
        block = await next_block(history, fold_tokens)
        if first is None and block is not None:
            first = block.anchor.seq
            cuts = [cut.position for cut in allowed_cuts(items[:length], before=None)]
            # Only a group of more than four folds is split.
            assert first in cuts or sum(map(count, items[:length])) >= 4 * fold_tokens
            assert sum(map(count, items[:first])) >= fold_tokens
            assert sum(map(count, items[:length])) >= 2 * fold_tokens
        if first is not None:
            assert block is not None
            assert block.anchor.seq == first


async def test_a_block_is_extended_to_a_user_message_that_follows_soon():
    items = [*turns(1, 2, words=140), *turns(3, 9)]
    block = await next_block(history_of(items), 200)
    assert block.entries[-1].item == items[3], "and not inside the turn, where 200 were reached"


async def test_a_block_ends_inside_a_turn_longer_than_one_and_a_half_folds():
    calls = [
        item
        for n in range(20)
        for item in (
            {"type": "function_call", "call_id": str(n), "name": "x", "arguments": "a " * 5},
            {"type": "function_call_output", "call_id": str(n), "output": "b " * 45},
        )
    ]
    block = await next_block(history_of([user(1), *calls]), 200)
    assert [entry.item for entry in block.entries] == [user(1), *calls[:6]]


async def test_a_group_longer_than_the_view_is_waited_for_and_then_folded_whole():
    calls = [
        {"type": "function_call", "call_id": str(n), "name": "x", "arguments": ""} for n in range(9)
    ]
    outputs = [
        {"type": "function_call_output", "call_id": str(n), "output": "b " * 100} for n in range(9)
    ]
    history = history_of([user(1), *calls, *outputs])
    assert await next_block(history, 100) is None, "there is no place for an end"
    history.append(answer(1))
    block = await next_block(history, 100)
    assert block.anchor.item == outputs[-1]


@pytest.mark.parametrize("first", [user(1), {"type": "reasoning", "id": "rs", "summary": []}])
async def test_a_run_of_answers_that_no_user_interrupts_is_folded(first):
    """An assistant that reports by itself every morning, say."""
    policy = in_foreground(Scribe())
    history = history_of([first])
    for number in range(300):
        history.append(answer(number, words=20))
        if number % 10 == 9:
            view = await policy(history)
            assert sum(map(tokens, view)) <= 1_000
            assert view[-1] == answer(number, words=20)
    assert sum(entry.summary is not None for entry in history.entries) > 10


async def test_a_block_without_any_text_is_folded_without_a_request():
    scribe = Scribe()
    secret = {"type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}
    silent = [{"role": "assistant", "content": []}, secret]
    history = history_of([*silent * 20, *turns(1, 9)], token_counter=lambda item: 50)
    policy = in_foreground(scribe, fold_tokens=100)
    assert (await policy.fold(history)).report
    assert scribe.requests == []
    assert rejections(await policy(history)) == []
