"""Whatever the history: a view is valid, within its budget, and stands still."""

from __future__ import annotations

import itertools
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mongo_sessions import ListHistory, MongoSessionStore, TokenLimit
from mongo_sessions.policies import allowed_cuts, starts_turn, valid

from .conversations import conversation, rejections


def count(item: dict) -> int:
    return len(str(item)) // 4


async def view(items: list[dict], policy: TokenLimit) -> list[dict]:
    return await policy(ListHistory(items, token_counter=count))


seeds = st.integers(0, 10**6)
budgets = st.sampled_from([30, 100, 400, 1_000, 5_000])


@given(seed=seeds, turns=st.integers(0, 30), broken=st.integers(0, 6), budget=budgets)
async def test_views_of_any_history_are_valid(seed, turns, broken, budget):
    items = conversation(seed, turns)
    for history in (items, conversation(seed, turns, broken=broken)):
        shown = await view(history, TokenLimit(budget))
        assert rejections(shown) == []
        assert all(any(item is original for original in history) for item in shown)


@given(seed=seeds, turns=st.integers(1, 30), budget=budgets)
async def test_views_hold_the_newest_items_in_order_and_only_those(seed, turns, budget):
    items = conversation(seed, turns)
    shown = await view(items, TokenLimit(budget))
    assert shown == items[len(items) - len(shown) :]
    assert shown


@given(seed=seeds, turns=st.integers(1, 30), budget=budgets)
async def test_views_are_within_the_budget_unless_they_are_a_single_group(seed, turns, budget):
    items = conversation(seed, turns)
    shown = await view(items, TokenLimit(budget))
    if sum(map(count, shown)) > budget:
        assert [position for position, _ in allowed_cuts(shown, before=None)] == [0]


@given(seed=seeds, turns=st.integers(1, 30))
async def test_a_history_within_the_budget_is_shown_whole(seed, turns):
    items = conversation(seed, turns)
    assert await view(items, TokenLimit(sum(map(count, items)))) == items


@given(seed=seeds, budget=st.sampled_from([1_000, 5_000]), blocks=st.sampled_from([2, 4, 8]))
async def test_a_window_stands_still_for_a_block(seed, budget, blocks):
    """Turn for turn, a view begins with the whole of the last, except once a block."""
    items = conversation(seed, turns=60)
    policy = TokenLimit(budget, block_tokens=budget // blocks)
    turn_ends = [n for n, item in enumerate(items) if starts_turn(item)][1:]
    views = [await view(items[:end], policy) for end in turn_ends]
    moves = sum(later[: len(earlier)] != earlier for earlier, later in itertools.pairwise(views))
    assert moves <= sum(map(count, items)) // policy.block_tokens


@given(seed=seeds, budget=st.sampled_from([2_000, 5_000]))
async def test_a_full_window_keeps_at_least_half_of_its_budget(seed, budget):
    items = conversation(seed, turns=80)
    largest = max(map(count, items)) * 10  # a response with its calls and outputs
    shown = await view(items, TokenLimit(budget))
    assert sum(map(count, shown)) >= min(budget // 2, sum(map(count, items))) - largest


async def test_one_huge_turn_is_cut_between_responses_and_kept_at_the_next_message():
    huge = [{"role": "user", "content": "x" * 40}]
    for n in range(100):
        huge += [
            {"type": "function_call", "call_id": str(n), "name": "x", "arguments": "{}"},
            {"type": "function_call_output", "call_id": str(n), "output": "x" * 40},
        ]
    policy = TokenLimit(1_000)
    shown = await view(huge, policy)
    assert shown[0]["type"] == "function_call"
    assert 500 <= sum(map(count, shown)) <= 1_000
    message = {"role": "user", "content": "and now?"}
    assert await view([*huge, message], policy) == [*shown, message]


async def test_a_window_prefers_to_start_at_a_user_message_near_its_start():
    items = [{"role": role, "content": "x" * 360} for role in ("user", "assistant")] * 20
    one = count(items[0])
    for turns in range(11, 21):
        shown = await view(items[: 2 * turns], TokenLimit(20 * one, block_tokens=3 * one))
        assert shown[0]["role"] == "user"


def test_a_call_id_that_is_used_again_is_paired_one_by_one():
    call = {"type": "function_call", "call_id": "0", "name": "x", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "0", "output": "x"}
    assert valid([call, output, call, output]) == [call, output, call, output]
    assert valid([call, call, output, output]) == [call, call, output, output]
    assert valid([call, output, output]) == [call, output]
    assert [cut.position for cut in allowed_cuts([call, output, call, output], before=None)] == [
        0,
        2,
    ]


async def test_the_newest_group_is_shown_even_if_it_is_over_the_budget(caplog):
    items = [
        {"role": "user", "content": "old"},
        {"role": "assistant", "content": "old"},
        {"type": "function_call", "call_id": "1", "name": "x", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "x" * 4_000},
    ]
    items.insert(2, {"role": "user", "content": "now"})
    policy = TokenLimit(100)
    with caplog.at_level(logging.WARNING, "mongo_sessions"):
        assert await view(items, policy) == items[3:]
        assert await view(items, policy) == items[3:]
    assert len(caplog.records) == 1
    assert "max_tokens is 100" in caplog.text
    assert "old" not in caplog.text


async def test_a_huge_call_that_is_still_open_does_not_hide_what_is_before_it():
    question = {"role": "user", "content": "do it"}
    call = {"type": "function_call", "call_id": "1", "name": "x", "arguments": "x" * 8_000}
    items = [{"role": "user", "content": "x" * 400}, question, call]
    assert await view(items, TokenLimit(100)) == [question]


async def test_items_of_unknown_kinds_are_never_cut_apart_and_read_in_linear_time():
    """Encrypted envelopes, say: nobody can tell which of them belong together."""
    items = [{"__enc__": 1, "payload": "x" * 40} for _ in range(5_000)]
    assert await view(items, TokenLimit(1_000)) == items


@pytest.mark.parametrize(
    "item",
    [
        {"role": ["user"]},
        {"role": {}, "type": []},
        {"type": "mcp_approval_request", "id": {}},
        {"type": "function_call", "call_id": {}},
        {"type": "function_call", "caller": [], "call_id": "1"},
    ],
)
async def test_any_json_object_may_stand_in_a_history(item):
    items = [{"role": "user", "content": "x" * 400}, item, {"role": "user", "content": "last"}]
    assert (await view(items, TokenLimit(50)))[-1] == items[-1]


def test_what_an_unfinished_program_called_goes_with_it():
    owned = {"caller": {"type": "program", "caller_id": "p"}, "call_id": "f", "name": "x"}
    user = {"role": "user", "content": "x"}
    program = {"type": "program", "call_id": "p"}
    call, output = (
        {**owned, "type": "function_call"},
        {"type": "function_call_output", "call_id": "f"},
    )
    done = {"type": "program_output", "call_id": "p"}
    reasoning = {"type": "reasoning", "id": "r"}
    assert valid([user, reasoning, program, call, output, user]) == [user, user]
    assert valid([user, call, output, user]) == [user, user]
    finished = [user, reasoning, program, call, output, done, user]
    assert valid(finished) == finished
    assert [cut.position for cut in allowed_cuts(finished, before=None)] == [0, 1, 6]


def test_tool_searches_without_an_id_are_paired_in_their_order():
    user = {"role": "user", "content": "x"}
    call, output = {"type": "tool_search_call"}, {"type": "tool_search_output", "call_id": None}
    assert valid([user, call, output, user]) == [user, call, output, user]
    assert valid([user, call, user]) == [user, user]
    assert valid([output, user]) == [user]


async def test_a_call_and_its_late_output_are_not_separated():
    """An approval that was answered after other turns."""
    call = {"type": "function_call", "call_id": "late", "name": "x", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "late", "output": "done"}
    chat = [{"role": role, "content": "x" * 80} for role in ("user", "assistant")] * 5
    items = [*chat, {"role": "user", "content": "do it"}, call, *chat, output, *chat]
    cuts = [position for position, _ in allowed_cuts(items, before=None)]
    assert items.index(call) in cuts
    assert not any(items.index(call) < position <= items.index(output) for position in cuts)
    for budget in range(50, 1_500, 50):
        assert rejections(await view(items, TokenLimit(budget))) == []


@given(seed=seeds, turns=st.integers(1, 20))
def test_every_allowed_cut_leaves_two_valid_halves(seed, turns):
    items = conversation(seed, turns)
    for position, is_turn_start in allowed_cuts(items, before=None):
        assert rejections(items[position:]) == []
        assert rejections(items[:position]) == []
        assert is_turn_start == (items[position].get("role") == "user")


@given(seed=seeds, turns=st.integers(1, 20))
def test_cuts_do_not_depend_on_what_was_not_read(seed, turns):
    """A suffix has the cuts of the whole, as far as no call in front of it is concerned."""
    items = conversation(seed, turns)
    whole = allowed_cuts(items, before=None)
    for start in range(1, len(items)):
        shifted = {
            (c.position + start, c.starts_turn)
            for c in allowed_cuts(items[start:], items[start - 1])
        }
        assert {cut for cut in whole if cut.position >= start} <= shifted


@given(seed=seeds, turns=st.integers(0, 20))
def test_a_history_that_is_not_broken_is_left_as_it_is(seed, turns):
    items = conversation(seed, turns)
    assert valid(items) == items


@given(seed=seeds, turns=st.integers(1, 20), broken=st.integers(1, 10))
def test_a_broken_history_loses_only_calls_outputs_and_reasoning(seed, turns, broken):
    items = conversation(seed, turns, broken=broken)
    kept = valid(items)
    assert rejections(kept) == []
    assert [i for i in kept if "role" in i] == [i for i in items if "role" in i]


def test_the_validator_itself_rejects_what_it_should():
    call = {"type": "function_call", "call_id": "1"}
    output = {"type": "function_call_output", "call_id": "1"}
    user, reasoning = {"role": "user", "content": ""}, {"type": "reasoning", "id": "r"}
    assert rejections([user, reasoning, call, output]) == []
    assert rejections([output]) == ["0: function_call_output without its call"]
    assert rejections([output, call])
    assert rejections([call]) == ["function_call 1 without an output"]
    assert rejections([call, output, output])
    assert rejections([reasoning, user]) == ["0: reasoning without its follower"]
    assert rejections([call, reasoning, output])


async def test_the_store_shows_what_the_list_history_shows(database):
    """Both histories, one policy: also where the session is longer than a chunk."""
    store = MongoSessionStore(database, token_counter=count)
    for seed, budget in [(1, 400), (2, 3_000), (3, 20_000)]:
        items = conversation(seed, turns=120, broken=5)
        session = store.session(f"seed {seed}", policy=TokenLimit(budget))
        await session.add_items(items)
        assert await session.get_items() == await view(items, TokenLimit(budget))


@pytest.mark.parametrize(
    ("max_tokens", "error"),
    [(0, ValueError), (-5, ValueError), (1.5, TypeError), ("16k", TypeError), (True, TypeError)],
)
def test_a_budget_must_be_a_whole_number_from_1_up(max_tokens, error):
    with pytest.raises(error, match=rf"max_tokens must be .* got {max_tokens!r}"):
        TokenLimit(max_tokens)


@pytest.mark.parametrize("block_tokens", [0, -1, 51, 100])
def test_a_block_is_at_most_half_of_the_budget(block_tokens):
    with pytest.raises(ValueError, match=rf"block_tokens must be at .* got {block_tokens}"):
        TokenLimit(100, block_tokens=block_tokens)
