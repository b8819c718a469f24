"""Whatever the history: a view is valid, within its budget, and stands still."""

from __future__ import annotations

import asyncio
import itertools
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mongo_sessions import ListHistory, MongoSessionStore, TokenLimit
from mongo_sessions.policies import allowed_cuts, drop_unpaired, starts_turn, structure
from mongo_sessions.policies.summarize.block import next_block
from tests.policies.test_cuts import SHAPES, shaped
from tests.support.conversations import conversation, rejections
from tests.support.steps import steps_of

REASONING = {"type": "reasoning", "id": "r", "summary": []}


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
        assert [cut.position for cut in allowed_cuts(shown, before=None)] == [0]


@given(seed=seeds, turns=st.integers(1, 40), broken=st.integers(0, 4), budget=budgets)
async def test_views_are_bounded_whatever_comes_late_or_in_long_runs(seed, turns, broken, budget):
    items = conversation(seed, turns, broken, late=0.3)
    shown = await view(items, TokenLimit(budget))
    assert rejections(shown) == []
    order = [next(n for n, item in enumerate(items) if item is one) for one in shown]
    assert order == sorted(order)
    if sum(map(count, shown)) > budget:
        assert [cut.position for cut in allowed_cuts(shown, before=None)] == [0]
    if drop_unpaired(items):
        assert shown
        assert shown[-1] is drop_unpaired(items)[-1], "the newest is always shown"


@pytest.mark.parametrize(
    "item",
    [
        {"role": "assistant", "content": "x" * 180},
        {"type": "web_search_call", "id": "ws", "status": "completed", "action": "x" * 140},
        {"__enc__": 1, "payload": "x" * 180},
        {"type": "brand_new", "text": "x" * 180},
        {"type": "function_call", "call_id": "open", "name": "x", "arguments": "x" * 140},
    ],
    ids=lambda item: str(item.get("type", "assistant")),
)
@pytest.mark.parametrize("first", [{"role": "user", "content": "hi"}, REASONING])
async def test_a_run_of_items_that_no_user_interrupts_is_bounded(item, first):
    """An assistant that reports by itself every morning, say."""
    shown = await view([first, *[item] * 5_000], TokenLimit(16_000))
    assert sum(map(count, shown)) <= 16_000
    if "call_id" not in item:
        assert sum(map(count, shown)) > 8_000


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


async def test_a_call_and_its_late_output_are_not_separated():
    """An approval that was answered after other turns."""
    call = {"type": "function_call", "call_id": "late", "name": "x", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "late", "output": "done"}
    chat = [{"role": role, "content": "x" * 80} for role in ("user", "assistant")] * 5
    items = [*chat, {"role": "user", "content": "do it"}, call, *chat, output, *chat]
    cuts = [cut.position for cut in allowed_cuts(items, before=None)]
    assert items.index(call) in cuts
    assert not any(items.index(call) < position <= items.index(output) for position in cuts)
    for budget in range(50, 1_500, 50):
        assert rejections(await view(items, TokenLimit(budget))) == []


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


@pytest.mark.parametrize("budget", [1_000, 10**9])
@pytest.mark.parametrize("shape", SHAPES)
def test_twice_the_history_takes_a_view_twice_the_steps(shape, budget):
    """Whatever is broken about it: a view holds the event loop for as long as it takes."""

    def show(items: list[dict]) -> None:
        history = ListHistory(items, token_counter=lambda item: 10)
        asyncio.run(TokenLimit(budget)(history))

    once, twice = (steps_of(show, shaped(shape, size)) for size in (1_000, 2_000))
    assert twice < 2.3 * once
    assert twice < 400 * 2_000


@pytest.mark.parametrize("fold_tokens", [100, 1_000])
@pytest.mark.parametrize("shape", SHAPES)
def test_twice_the_history_takes_a_search_for_a_block_twice_the_steps(shape, fold_tokens):
    def search(items: list[dict]) -> None:
        history = ListHistory(items, token_counter=lambda item: 10)
        asyncio.run(next_block(history, fold_tokens))

    once, twice = (steps_of(search, shaped(shape, size)) for size in (1_000, 2_000))
    assert twice < 2.3 * once
    assert twice < 400 * 2_000


async def test_a_view_classifies_each_item_once_and_stops_at_the_first_good_cut(monkeypatch):
    calls = {"traits_of": 0, "kind_between": 0}

    def counted(name: str) -> None:
        function = getattr(structure, name)

        def count_and_call(*arguments, **named):
            calls[name] += 1
            return function(*arguments, **named)

        monkeypatch.setattr(structure, name, count_and_call)

    for name in calls:
        counted(name)
    turn = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    history = ListHistory(turn * 500, token_counter=lambda item: 10)
    shown = await TokenLimit(1_000, block_tokens=500)(history)
    assert len(shown) == 100
    # The item in front of the window is looked at twice: as the end of what was read, and by a cut.
    assert calls["traits_of"] <= len(shown) + 2
    assert calls["kind_between"] <= 4
