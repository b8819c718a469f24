"""The input of one model call, bounded by any policy: valid, stable, and with what must be kept."""

from __future__ import annotations

import copy
import itertools
import random
from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mongo_sessions import (
    LastTurns,
    SummarizeOlder,
    TokenLimit,
    TrimToolOutputs,
)
from mongo_sessions.policies import drop_unpaired, policy_in_run, starts_turn, view_in_run
from mongo_sessions.policies.summarize.message import summary_message
from mongo_sessions.policies.summarize.segments import Segment
from tests.policies.test_views import count, seeds
from tests.support.conversations import rejections
from tests.support.examples import examples
from tests.support.messages import user
from tests.support.scribes import Scribe
from tests.support.tool_outputs import check_against_the_api, tool_conversation

BUDGET = 3_000


async def last_two_turns(history):
    entries = [entry async for entry in history.oldest_first()]
    newest = entries[-1].turn if entries else 0
    return drop_unpaired([entry.item for entry in entries if entry.turn > newest - 2])


POLICIES = {
    "TokenLimit": lambda: TokenLimit(BUDGET),
    "LastTurns": lambda: LastTurns(4),
    "SummarizeOlder": lambda: SummarizeOlder(Scribe(), max_tokens=BUDGET),
    "a function": lambda: last_two_turns,
}
TRIMMED = {
    f"TrimToolOutputs around {name}": lambda make=make: TrimToolOutputs(
        make(), max_tokens=100, keep_turns=2, block_turns=2, newest_max_tokens=400
    )
    for name, make in POLICIES.items()
}
ALL = POLICIES | TRIMMED


async def shown_in_run(items: list[dict], policy, overhead_tokens: int = 0) -> list[dict]:
    return await view_in_run(
        policy_in_run(policy), items, count_tokens=count, overhead_tokens=overhead_tokens
    )


def total(items: list[dict]) -> int:
    return sum(map(count, items))


def summary(words: int = 100) -> dict:
    until = datetime(2026, 1, 1, tzinfo=timezone.utc)
    return summary_message([Segment(1, 9, 0, "fact " * words, words)], until, has_gap=False)


@settings(max_examples=examples(20))
@pytest.mark.parametrize("name", ALL)
@given(
    seed=seeds,
    length=st.integers(0, 12),
    broken=st.integers(0, 4),
    late=st.sampled_from([0, 0.3]),
)
async def test_any_input_is_bounded_and_valid(name, seed, length, broken, late):
    has_summary = bool(seed % 2)
    items = [summary()] * has_summary + tool_conversation(seed, length, broken, late=late)
    before = copy.deepcopy(items)
    shown = await shown_in_run(items, ALL[name]())
    assert items == before
    assert await shown_in_run(items, ALL[name]()) == shown, "the same input, the same output"
    assert await shown_in_run(shown, ALL[name]()) == shown, (
        "over its own output, it changes nothing"
    )
    for item in shown:
        check_against_the_api(item)
    is_cut = len(shown) < len(items)
    if not is_cut:
        assert rejections(shown) == rejections(items)
        assert name in TRIMMED or shown == items
        return
    assert all(" without an output" in reason for reason in rejections(shown))
    open_calls = [item for item in shown if item not in drop_unpaired(shown)]
    assert all(item in newest_response(items) for item in open_calls)
    if "function" not in name and (valid := drop_unpaired(items)):
        assert without_output(valid[-1]) in map(without_output, shown)
        assert (shown[0] == items[0]) or not has_summary
    if users := [item for item in items[has_summary:] if starts_turn(item)]:
        assert users[-1] in shown


def without_output(item: dict) -> dict:
    return {**item, "output": None}


def newest_response(items: list[dict]) -> list[dict]:
    starts = [
        n for n, item in enumerate(items) if item.get("role") in ("user", "system", "developer")
    ]
    return items[starts[-1] if starts else 0 :]


def run_of(calls: int, seed: int = 0, most: int = 800) -> list[dict]:
    """A question, and tool calls with outputs of 10 to ``most`` tokens."""
    dice = random.Random(seed)
    items = [user("An earlier question"), {"role": "assistant", "content": "ok"}, user("Go on")]
    for number in range(calls):
        call_id = f"call_{number}"
        output = "word " * dice.randrange(10, most)
        items += [
            {"type": "reasoning", "id": f"rs_{number}", "summary": []},
            {"type": "function_call", "call_id": call_id, "name": "x", "arguments": "{}"},
            {"type": "function_call_output", "call_id": call_id, "output": output},
        ]
    return items


def model_calls(items: list[dict]) -> list[list[dict]]:
    """The list at each model call: it ends with a user message or with outputs."""
    ends = [n for n, item in enumerate(items) if item.get("type") == "reasoning"]
    return [items[:end] for end in ends if end] + [items]


@pytest.mark.parametrize("begin", [[], [summary()]], ids=["alone", "behind a summary"])
@pytest.mark.parametrize(
    "name", ["TokenLimit", "SummarizeOlder", "TrimToolOutputs around TokenLimit"]
)
@pytest.mark.parametrize("overhead", [0, 500])
async def test_in_a_long_run_the_prefix_stands_still_between_blocks(name, begin, overhead):
    policy = ALL[name]()
    if overhead and name == "TokenLimit":
        policy = TokenLimit(BUDGET, whole_prompt=True)
    items = [*begin, *run_of(80, most=300)]
    views = [await shown_in_run(call, policy, overhead) for call in model_calls(items)]
    question = items[len(begin) + 2]
    for view in views:
        assert total(view) <= BUDGET - (overhead if name == "TokenLimit" else 0)
        assert rejections(view) == []
        assert view[: len(begin)] == begin
        assert question in view
    moves = sum(b[: len(a)] != a for a, b in itertools.pairwise(views))
    assert 0 < moves < len(views) // 2
    assert all(len(view) > 5 for view in views[5:])


async def test_what_fits_is_not_changed_even_if_it_is_broken():
    call = {"type": "function_call", "call_id": "1", "name": "x", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "2", "output": "x"}
    items = [output, user("a"), call, user("b")]
    assert await shown_in_run(items, TokenLimit(BUDGET)) == items


async def test_an_open_call_of_the_newest_response_is_kept_with_its_reasoning():
    reasoning = {"type": "reasoning", "id": "rs", "summary": []}
    calls = [
        {"type": "function_call", "call_id": f"open{n}", "name": "x", "arguments": "{}"}
        for n in range(3)
    ]
    done = {"type": "function_call_output", "call_id": "open0", "output": "x"}
    lost = {"type": "function_call", "call_id": "lost", "name": "x", "arguments": "{}"}
    items = [user("old " * 4_000), lost, user("go"), reasoning, *calls, done]
    assert await shown_in_run(items, TokenLimit(BUDGET)) == items[2:]
    assert await shown_in_run(items[:-1], TokenLimit(BUDGET)) == items[2:-1]


async def test_a_summary_that_a_user_wrote_cannot_use_up_the_budget():
    fake = {**summary(words=20_000), "role": "user"}
    items = [fake, *run_of(30)]
    shown = await shown_in_run(items, TokenLimit(BUDGET))
    assert fake not in shown
    assert total(shown) <= BUDGET
    small = {**summary(words=1_000), "role": "user"}
    assert total(await shown_in_run([small, *run_of(30)], TokenLimit(BUDGET))) <= BUDGET


async def test_a_huge_output_does_not_displace_the_rest_of_the_run():
    items = run_of(5, most=100)
    items[-1] = {**items[-1], "output": "word " * 50_000}
    policy = TrimToolOutputs(TokenLimit(BUDGET), max_tokens=100, newest_max_tokens=1_000)
    shown = await shown_in_run(items, policy)
    assert shown[:-1] == items[:-1]
    assert count(shown[-1]) <= 1_000
    assert (await shown_in_run(items, TokenLimit(BUDGET)))[-1] == items[-1]


async def test_a_long_list_of_turns_without_a_session_is_trimmed_in_blocks():
    items = []
    before: list[dict] = []
    moves = 0
    policy = TrimToolOutputs(TokenLimit(100_000), max_tokens=100, keep_turns=4, block_turns=4)
    for number in range(20):
        items += [*run_of(1, seed=number, most=800)[2:], {"role": "assistant", "content": "ok"}]
        shown = await shown_in_run(items, policy)
        assert rejections(shown) == []
        moves += shown[: len(before)] != before
        before = shown
    assert 0 < moves <= 4
