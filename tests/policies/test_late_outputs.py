"""Outputs far from their call, such as an approval after a long chat."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mongo_sessions import ListHistory, MongoSessionStore, SummarizeOlder, TokenLimit
from mongo_sessions.policies import drop_unpaired
from mongo_sessions.policies.structure import Structure
from mongo_sessions.policies.summarize.segments import from_summary
from tests.log.test_commands import examined
from tests.policies.test_views import count, seeds
from tests.support.conversations import conversation, rejections
from tests.support.examples import examples
from tests.support.filling import fill
from tests.support.scribes import Scribe, tokens, turns, user

REASONING = {"type": "reasoning", "id": "rs", "summary": []}
CALL = {"type": "function_call", "call_id": "late", "name": "refund", "arguments": "word " * 9}
SIBLING = {"type": "function_call", "call_id": "soon", "name": "look_up", "arguments": "word " * 9}
SIBLING_OUTPUT = {"type": "function_call_output", "call_id": "soon", "output": "found"}
OUTPUT = {"type": "function_call_output", "call_id": "late", "output": "refunded"}
RESPONSE = [REASONING, SIBLING, CALL, SIBLING_OUTPUT]

APPROVAL = {"type": "mcp_approval_request", "id": "late", "name": "refund", "arguments": "{}"}
APPROVED = {"type": "mcp_approval_response", "approval_request_id": "late", "approve": True}
LOCAL = {"type": "local_shell_call", "id": "l", "call_id": "late", "action": {}}
LOCAL_OUTPUT = {"type": "local_shell_call_output", "id": "late", "output": "done"}
# Not every item is stored as a document: MongoDB has a meaning for keys that start with $.
AS_TEXT = {**CALL, "call_id": "späte\n", "extra": {"$ref": 1}}
OUTPUT_OF_TEXT = {**OUTPUT, "call_id": "späte\n"}

PAIRS = [(CALL, OUTPUT), (APPROVAL, APPROVED), (LOCAL, LOCAL_OUTPUT), (AS_TEXT, OUTPUT_OF_TEXT)]
pairs = pytest.mark.parametrize(("call", "output"), PAIRS, ids=["call", "mcp", "shell", "text"])


def view_of(items: list[dict], max_tokens: int = 500):
    return TokenLimit(max_tokens)(ListHistory(items, token_counter=tokens))


@pytest.mark.parametrize("later", [0, 1, 2])
async def test_a_late_output_is_shown_with_its_call_and_reasoning(later):
    """As the newest item, and for as long as it is in the window."""
    items = [*turns(1, 20), user(21), *RESPONSE, *turns(22, 60), OUTPUT, *turns(61, 60 + later)]
    view = await view_of(items)
    assert view[:4] == RESPONSE
    assert view[-1 - 2 * later] == OUTPUT
    assert rejections(view) == []
    assert sum(map(tokens, view)) <= 500


async def test_without_reasoning_the_call_comes_alone():
    view = await view_of([user(1), SIBLING, CALL, SIBLING_OUTPUT, *turns(2, 60), OUTPUT])
    assert view[0] == CALL
    assert SIBLING not in view
    assert rejections(view) == []


async def test_an_output_without_any_call_is_left_out_and_the_newest_turn_is_shown():
    items = [*turns(1, 60), OUTPUT]
    view = await view_of(items)
    assert view == items[-1 - len(view) : -1]
    assert 250 <= sum(map(tokens, view)) <= 500


async def test_a_late_output_over_the_budget_is_shown_with_its_call_alone():
    huge = {**OUTPUT, "output": "word " * 900}
    assert await view_of([*turns(1, 3), *RESPONSE, *turns(4, 60), huge]) == [*RESPONSE, huge]


async def test_a_hosted_search_between_parallel_calls_hides_nothing():
    search = [{"type": "tool_search_call", "id": "s"}, {"type": "tool_search_output", "tools": []}]
    response = [SIBLING, *search, CALL, SIBLING_OUTPUT, OUTPUT]
    for max_tokens in range(5, 60):
        view = await view_of([*turns(1, 3), user(4, words=5), *response], max_tokens)
        assert view[-2:] == [SIBLING_OUTPUT, OUTPUT]
        assert rejections([item for item in view if item not in search]) == []


async def test_the_window_stands_still_with_an_earlier_call_in_front_of_it():
    items = [user(1), *RESPONSE, *turns(2, 60), OUTPUT]
    policy, views = TokenLimit(2_000), []
    for turn in range(61, 75):
        views.append(await policy(ListHistory(items, token_counter=tokens)))
        items += turns(turn, turn)
    moves = sum(later[: len(one)] != one for one, later in itertools.pairwise(views))
    assert moves <= 3, "1,300 tokens in blocks of 500"


@given(seed=seeds, number=st.integers(5, 60), budget=st.sampled_from([300, 1_000, 4_000]))
async def test_whatever_is_late_the_newest_answers_are_shown_with_their_calls(seed, number, budget):
    items = conversation(seed, number, late=0.4)
    for end in range(len(items) - 3, len(items) + 1):
        shown = await TokenLimit(budget)(ListHistory(items[:end], token_counter=count))
        complete = drop_unpaired(items[:end])
        assert rejections(shown) == []
        assert shown[-1:] == complete[-1:]


@settings(max_examples=examples(8))
@given(seed=seeds, number=st.integers(5, 25), max_tokens=st.sampled_from([1_000, 3_000]))
async def test_nothing_lies_between_the_summary_and_the_view(seed, number, max_tokens):
    """Including a call that was open when its block was folded, and its output."""
    history = ListHistory([], token_counter=count)
    policy = SummarizeOlder(Scribe(), max_tokens=max_tokens, background=False)
    for item in conversation(seed, number, late=0.4):
        history.append(item)
        view = await policy(history)
        assert rejections(view) == []
        anchor = await history.latest_summary()
        covered = from_summary(anchor.summary)[-1].last_seq if anchor else 0
        tail = history.entries[covered:]
        kept = {id(one) for one in drop_unpaired([entry.item for entry in history.entries])}
        shown = {id(one) for one in view}
        hidden = [e.item for e in tail if id(e.item) in kept and id(e.item) not in shown]
        structure = Structure([entry.item for entry in history.entries])
        calls = [history.entries[index] for index in structure.brought_along(covered)]
        if sum(entry.tokens for entry in (*calls, *tail)) <= policy.budget.verbatim_tokens:
            assert hidden == []
        if hidden and anchor:
            assert "is not shown" in view[0]["content"]


@pairs
async def test_a_call_that_was_folded_while_open_comes_back_with_its_output(database, call, output):
    """The transcript of the output, when it is folded later, names the tool."""
    scribe = Scribe()
    policy = SummarizeOlder(scribe, max_tokens=1_000, background=False)
    store = MongoSessionStore(database, token_counter=tokens, policy=policy)
    session = store.session("a")
    await session.add_items([user(1), call, *turns(2, 9)])
    assert call not in await session.get_items()
    assert (await session._history()).session_id == "a"
    await session.add_items([output])
    view = await session.get_items()
    assert (view[1], view[-1]) == (call, output)
    await session.add_items(turns(10, 30))
    while (await policy.fold(await session._history())).report:
        pass
    told = "".join(request.transcript for request in scribe.requests)
    if "output" in output and call["type"] == "function_call":
        assert f"refund returned: {output['output']}" in told


@pairs
async def test_one_query_finds_a_call_outside_of_the_window(database, sent, call, output):
    items = [user(1), call, *turns(2, 200), output]
    await fill(database, items, tokens)
    session = MongoSessionStore(database, token_counter=tokens, policy=TokenLimit(500)).session("a")
    await session.get_items(limit=1)
    sent.clear()
    view = await session.get_items()
    assert (view[0], view[-1]) == (call, output)
    # And whether there is a barrier between the two, which the index of the summaries tells.
    assert sent.names == ["find"] * 5, "the window, the call, and what is around it"
    barrier = sent.started_events[-1].command
    assert barrier["projection"] == {"_id": 0, "seq": 1}
    assert await examined(database, sent.started_events[-1]) == 0


async def test_without_a_late_output_a_view_is_one_query(database, sent):
    await fill(database, [*turns(1, 50), CALL, OUTPUT], tokens)
    session = MongoSessionStore(database, token_counter=tokens, policy=TokenLimit(500)).session("a")
    await session.get_items(limit=1)
    sent.clear()
    await session.get_items()
    assert sent.names == ["find"]


@pytest.mark.parametrize("call_id", ["\ud800", "a\0b", "x" * 100_000, "(((", "$where", ""])
async def test_any_text_may_be_the_id_of_a_late_output(any_database, call_id):
    session = MongoSessionStore(any_database, token_counter=tokens, policy=TokenLimit(100)).session(
        "a"
    )
    call, output = {**CALL, "call_id": call_id}, {**OUTPUT, "call_id": call_id}
    await session.add_items([user(0), call])
    await session.add_items(turns(1, 10))
    await session.add_items([output])
    assert (await session.get_items())[0] == call
    await session.clear_session()
    await session.add_items(turns(1, 10))
    await session.add_items([output])
    assert output not in await session.get_items()


def with_id(item: dict, call_id: str) -> dict:
    return {**item, "call_id": call_id}


MANY = {
    "one id for all": lambda: [
        *(item for n in range(200) for item in (user(n), CALL, OUTPUT)),
        *turns(1, 6),
        OUTPUT,
    ],
    "one response": lambda: [
        user(0),
        *(with_id(CALL, f"c{n}") for n in range(40)),
        *turns(1, 20),
        *(with_id(OUTPUT, f"c{n}") for n in range(40)),
    ],
    "without any call": lambda: [*turns(1, 20), *(with_id(OUTPUT, f"c{n}") for n in range(100))],
}


@pytest.mark.parametrize("shape", MANY)
async def test_however_many_outputs_are_late_a_few_queries_find_their_calls(database, sent, shape):
    items = MANY[shape]()
    await fill(database, items, tokens)
    session = MongoSessionStore(database, token_counter=tokens, policy=TokenLimit(700)).session("a")
    await session.get_items(limit=1)
    sent.clear()
    view = await session.get_items()
    assert rejections(view) == []
    assert sent.names.count("find") <= 5
    assert view[-1] == drop_unpaired(items)[-1]


@pytest.mark.parametrize("call_id", ["\u3042" * 60, "(" * 60, "x" * 200_000])
async def test_many_long_ids_of_late_outputs_are_no_error(database, call_id):
    """Neither a regular expression nor a command that is too large for the server."""
    late = [with_id(OUTPUT, f"{call_id}{n}") for n in range(100)]
    await fill(database, [*turns(1, 20), *late, user(21)], tokens)
    session = MongoSessionStore(database, token_counter=tokens, policy=TokenLimit(700)).session("a")
    view = await session.get_items()
    assert view[-1] == user(21)
    assert rejections(view) == []
