"""Cuts and validity, as pure functions of items."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mongo_sessions.policies import CutKind, allowed_cuts, drop_unpaired
from tests.support.conversations import conversation, rejections
from tests.support.steps import steps_of

seeds = st.integers(0, 10**6)


def test_a_call_id_that_is_used_again_is_paired_one_by_one():
    call = {"type": "function_call", "call_id": "0", "name": "x", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "0", "output": "x"}
    assert drop_unpaired([call, output, call, output]) == [call, output, call, output]
    assert drop_unpaired([call, call, output, output]) == [call, call, output, output]
    assert drop_unpaired([call, output, output]) == [call, output]
    assert [cut.position for cut in allowed_cuts([call, output, call, output], before=None)] == [
        0,
        2,
    ]


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
    assert drop_unpaired([user, reasoning, program, call, output, user]) == [user, user]
    assert drop_unpaired([user, call, output, user]) == [user, user]
    finished = [user, reasoning, program, call, output, done, user]
    assert drop_unpaired(finished) == finished
    assert [cut.position for cut in allowed_cuts(finished, before=None)] == [0, 1, 6]


def test_tool_searches_without_an_id_are_paired_in_their_order():
    user = {"role": "user", "content": "x"}
    call, output = {"type": "tool_search_call"}, {"type": "tool_search_output", "call_id": None}
    assert drop_unpaired([user, call, output, user]) == [user, call, output, user]
    assert drop_unpaired([user, call, user]) == [user, user]
    assert drop_unpaired([output, user]) == [user]


@given(seed=seeds, turns=st.integers(1, 20))
def test_every_allowed_cut_leaves_two_valid_halves(seed, turns):
    items = conversation(seed, turns)
    for cut in allowed_cuts(items, before=None):
        assert rejections(items[cut.position :]) == []
        assert rejections(items[: cut.position]) == []
        assert cut.starts_turn == (items[cut.position].get("role") == "user")


@given(seed=seeds, turns=st.integers(1, 20))
def test_cuts_do_not_depend_on_what_was_not_read(seed, turns):
    """A suffix has the cuts of the whole, as far as no call in front of it is concerned."""
    items = conversation(seed, turns)
    whole = allowed_cuts(items, before=None)
    for start in range(1, len(items)):
        shifted = {
            cut.position + start: cut.kind for cut in allowed_cuts(items[start:], items[start - 1])
        }
        for cut in whole:
            if cut.position >= start:
                # Reasoning further ahead, which was not read, could only make it a worse one.
                assert shifted[cut.position] <= cut.kind


@given(seed=seeds, turns=st.integers(0, 20))
def test_a_history_that_is_not_broken_is_left_as_it_is(seed, turns):
    items = conversation(seed, turns)
    assert drop_unpaired(items) == items


@given(seed=seeds, turns=st.integers(1, 20), broken=st.integers(1, 10))
def test_a_broken_history_loses_only_calls_outputs_and_reasoning(seed, turns, broken):
    items = conversation(seed, turns, broken=broken)
    kept = drop_unpaired(items)
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


def call(call_id: str, kind: str = "function_call", **fields) -> dict:
    return {"type": kind, "call_id": call_id, "name": "x", "arguments": "{}", **fields}


def output(call_id: str, kind: str = "function_call", **fields) -> dict:
    return {"type": f"{kind}_output", "call_id": call_id, "output": "x", **fields}


USER = {"role": "user", "content": "x"}
ANSWER = {"role": "assistant", "content": "x"}
REASONING = {"type": "reasoning", "id": "r", "summary": []}
SEARCH = {"type": "web_search_call", "id": "ws", "status": "completed"}


def kinds(items: list[dict]) -> list[str]:
    """The kind of cut in front of each item; a dash where there is none."""
    found = {cut.position: cut.kind.name for cut in allowed_cuts(items, before=None)}
    return [found.get(position, "-") for position in range(len(items))]


def test_turns_are_told_from_responses_and_these_from_other_items():
    assert kinds([USER, ANSWER, USER]) == ["TURN", "RESPONSE", "TURN"]
    assert kinds([USER, ANSWER, ANSWER, SEARCH]) == ["TURN", "RESPONSE", "ITEM", "ITEM"]
    assert kinds([{"role": "system", "content": "x"}, ANSWER]) == ["RESPONSE", "RESPONSE"]
    assert kinds([USER, REASONING, ANSWER]) == ["TURN", "RESPONSE", "-"]
    assert kinds([USER, call("1"), output("1"), ANSWER]) == ["TURN", "RESPONSE", "-", "RESPONSE"]
    assert kinds([USER, call("1"), call("2"), output("1"), output("2")]) == [
        *("TURN", "RESPONSE", "-", "-", "-")
    ]
    assert kinds([USER, call("open"), ANSWER]) == ["TURN", "RESPONSE", "ITEM"]


def test_what_reasoning_led_to_is_not_cut_off_from_it():
    """An API that keeps reasoning rejects an item whose reasoning is missing."""
    items = [USER, REASONING, SEARCH, ANSWER, REASONING, ANSWER]
    assert kinds(items) == ["TURN", "RESPONSE", "-", "-", "ITEM", "-"]


def test_a_run_of_items_of_any_kind_can_be_cut():
    for item in (ANSWER, SEARCH, {"__enc__": 1, "payload": "x"}, {"type": "brand_new"}):
        assert kinds([USER, *[item] * 3]) == ["TURN", "RESPONSE", "ITEM", "ITEM"]


LOCAL = call("c1", "local_shell_call", id="lsh_1")


@pytest.mark.parametrize(
    "answer",
    [
        {"type": "local_shell_call_output", "call_id": "c1", "output": "x"},
        {"type": "local_shell_call_output", "id": "c1", "output": "x"},
        {"type": "local_shell_call_output", "id": "lsh_1", "output": "x"},
    ],
)
def test_a_local_shells_output_is_paired_by_its_id_where_it_has_no_call_id(answer):
    assert drop_unpaired([USER, LOCAL, answer]) == [USER, LOCAL, answer]
    assert kinds([USER, LOCAL, answer, ANSWER]) == ["TURN", "RESPONSE", "-", "RESPONSE"]
    assert drop_unpaired([USER, answer]) == [USER]
    assert drop_unpaired([USER, LOCAL, answer, answer]) == [USER, LOCAL, answer]


@pytest.mark.parametrize("kind", ["local_shell_call", "function_call", "computer_call"])
def test_an_output_or_a_call_that_names_no_counterpart_is_left_out(kind):
    nameless = {"type": f"{kind}_output", "output": "x"}
    assert drop_unpaired([USER, nameless]) == [USER]
    assert drop_unpaired([USER, {"type": kind, "name": "x"}, nameless]) == [USER]


def programs(depth: int) -> list[dict]:
    """Programs that issue each other; the outermost is never finished."""

    def caller(n: int) -> dict:
        return {"caller": {"type": "program", "caller_id": f"p{n - 1}"}} if n else {}

    opened = [call(f"p{n}", "program", **caller(n)) for n in range(depth)]
    closed = [output(f"p{n}", "program", **caller(n)) for n in range(1, depth)]
    return [*opened, *closed[::-1]]


def test_what_an_unfinished_program_issued_goes_with_it_however_deep():
    assert drop_unpaired([USER, *programs(4)]) == [USER]
    done = output("p0", "program")
    assert drop_unpaired([USER, *programs(4), done]) == [USER, *programs(4), done]
    without_innermost = [item for item in programs(4) if item.get("call_id") != "p3"]
    left_open = [*programs(4)[:4], *without_innermost[3:], done]
    assert drop_unpaired(left_open) == [*without_innermost, done]


SHAPES = {
    "turns": lambda n: [USER, call(f"{n}"), output(f"{n}"), ANSWER],
    "open calls and orphan outputs": lambda n: [call(f"open {n}"), output(f"orphan {n}")],
    "one id for all": lambda n: [call("1"), output("1")],
    "one id, all open": lambda n: [call("1")],
    "orphan outputs": lambda n: [output(f"{n}")],
    "reasoning": lambda n: [REASONING],
    "answers": lambda n: [ANSWER],
    "reasoning and calls": lambda n: [REASONING, call(f"{n}"), call(f"{n}b"), output(f"{n}")],
    "local shells": lambda n: [
        call("1", "local_shell_call", id=f"{n}"),
        output("1", "local_shell_call"),
    ],
}


def shaped(shape: str, size: int) -> list[dict]:
    items = [item for n in range(size) for item in SHAPES[shape](n)]
    return items[:size]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "function", [drop_unpaired, lambda items: allowed_cuts(items, before=None)]
)
def test_twice_as_many_items_take_twice_as_many_steps(shape, function):
    once, twice = (steps_of(function, shaped(shape, size)) for size in (500, 1_000))
    assert twice < 2.2 * once
    assert twice < 100 * 1_000


def test_nested_programs_take_steps_in_proportion_to_their_number():
    once, twice = (steps_of(drop_unpaired, programs(depth)) for depth in (500, 1_000))
    assert twice < 2.2 * once
    assert drop_unpaired(programs(5_000)) == []


def test_the_kinds_of_cuts_are_in_the_order_of_preference():
    assert list(CutKind) == sorted(CutKind)
    assert CutKind.TURN < CutKind.RESPONSE < CutKind.ITEM < CutKind.SPLIT
