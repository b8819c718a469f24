"""Runs of the SDK's Runner with many tool calls: every model call within its budget."""

from __future__ import annotations

import dataclasses
import itertools
import random
import threading
from types import SimpleNamespace

import pytest
from agents import Agent, RunConfig, Runner, function_tool
from agents.run_config import ModelInputData
from agents.testing import ScriptedModel, assistant_message, function_call

from mongo_sessions import (
    LastTurns,
    MongoSessionStore,
    SummarizeOlder,
    TiktokenCounter,
    TokenLimit,
    TrimToolOutputs,
    input_filter,
)
from tests.support.clients import both_at_night
from tests.support.conversations import rejections
from tests.support.scribes import Scribe

BUDGET = 16_000
CALLS = 60
counter = TiktokenCounter()


def independent_count(items: list[dict]) -> int:
    """A token a word of the outputs, and little for the rest: less than any real counter says."""
    return sum(len(str(item.get("output", item.get("content", ""))).split()) for item in items)


@function_tool
def read(number: int) -> str:
    return "word " * random.Random(number).randrange(10, 5_000)


def script(agents: int = 1) -> list:
    """60 calls of tools, with a handoff after each part of them, and an answer."""
    steps = []
    for number in range(CALLS):
        steps.append([function_call("read", {"number": number}, call_id=f"call_{number}")])
        if agents > 1 and number == CALLS // 2:
            steps.append([function_call("transfer_to_second", {}, call_id="handoff")])
    return [*steps, [assistant_message("Done")]]


def team(model: ScriptedModel) -> Agent:
    second = Agent("second", model=model, tools=[read])
    return Agent("first", model=model, tools=[read], handoffs=[second])


async def run(model, *, policy, is_streamed=False, session=None, **options) -> None:
    config = RunConfig(call_model_input_filter=input_filter(policy, **options))
    arguments = {"run_config": config, "max_turns": 100, "session": session}
    if is_streamed:
        async for _ in (
            result := Runner.run_streamed(team(model), "Go", **arguments)
        ).stream_events():
            pass
        assert result.final_output == "Done"
    else:
        assert (await Runner.run(team(model), "Go", **arguments)).final_output == "Done"


@both_at_night
@pytest.mark.parametrize("handoffs", [1, 2], ids=["alone", "handoff"])
@pytest.mark.parametrize("is_streamed", [False, True], ids=["run", "streamed"])
async def test_no_call_of_a_run_is_above_its_budget(database, is_streamed, handoffs):
    model = ScriptedModel(script(handoffs))
    session = MongoSessionStore(database).session("a")
    await session.add_items([{"role": "user", "content": "Hi"}])
    await run(model, policy=TokenLimit(BUDGET), is_streamed=is_streamed, session=session)
    prompts = [call.input for call in model.calls]
    assert len(prompts) == CALLS + handoffs
    for prompt in prompts:
        assert independent_count(prompt) <= sum(map(counter, prompt)) <= BUDGET
        assert rejections(prompt) == []
        assert {"role": "user", "content": "Go"} in prompt
    assert [p for p in prompts[1:] if p[-1].get("type") != "function_call_output"] == []
    assert independent_count(await session.get_items()) > 5 * BUDGET, "all is stored"
    moves = sum(b[: len(a)] != a for a, b in itertools.pairwise(prompts))
    assert 0 < moves < CALLS // 2


@both_at_night
async def test_summaries_stay_and_are_not_made_in_a_run(database):
    scribe = Scribe()
    policy = SummarizeOlder(scribe, max_tokens=BUDGET, background=False)
    session = MongoSessionStore(database, policy=policy).session("a")
    for number in range(40):
        await session.add_items([{"role": "user", "content": f"{number} " * 500}])
    for _ in range(5):
        await session.get_items()
    made = len(scribe.requests)
    model = ScriptedModel(script())
    await run(model, policy=policy, session=session)
    assert len(scribe.requests) == made > 0
    summaries = {call.input[0]["content"] for call in model.calls}
    assert len(summaries) == 1
    assert "<conversation_summary>" in summaries.pop()
    assert all(sum(map(counter, call.input)) <= BUDGET for call in model.calls)


async def test_the_whole_prompt_fits_if_the_session_knows_what_comes_on_top():
    model = ScriptedModel(script())
    session = SimpleNamespace(overhead_tokens=3_000)
    policy = TokenLimit(BUDGET, whole_prompt=True)
    config = RunConfig(call_model_input_filter=input_filter(policy, session=session))
    await Runner.run(team(model), "Go", run_config=config, max_turns=100)
    assert all(sum(map(counter, call.input)) <= BUDGET - 3_000 for call in model.calls)


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_filter_of_the_application_runs_first(is_async):
    def shout(data):
        items = [{"role": "user", "content": "GO"}, *data.model_data.input[1:]]
        return dataclasses.replace(data.model_data, input=items, instructions="Be loud")

    async def shout_later(data):
        return shout(data)

    model = ScriptedModel(script())
    after = shout_later if is_async else shout
    await run(model, policy=TokenLimit(BUDGET), after=after)
    for call in model.calls:
        assert sum(map(counter, call.input)) <= BUDGET
        assert {"role": "user", "content": "GO"} in call.input
        assert call.system_instructions == "Be loud"


async def test_a_filter_that_returns_nothing_is_named():
    model = ScriptedModel([[assistant_message("Done")]])
    with pytest.raises(TypeError, match="after must return a ModelInputData, got NoneType"):
        await run(model, policy=LastTurns(3), after=lambda data: None)


async def test_the_input_and_the_items_are_not_changed():
    items = [{"role": "user", "content": "word " * 9_000}, {"role": "user", "content": "Go"}]
    model_data = ModelInputData(input=items, instructions="x")
    data = SimpleNamespace(model_data=model_data, agent=None, context=None)
    bounded = await input_filter(TokenLimit(1_000))(data)
    assert bounded == ModelInputData(input=items[1:], instructions="x")
    assert bounded.input[0] is items[1]
    assert model_data.input is items
    assert len(items) == 2


async def test_each_item_is_counted_once_and_long_ones_in_a_thread():
    counted: list[str] = []
    threads = set()

    def count(item: dict) -> int:
        counted.append(str(item))
        threads.add(threading.current_thread() is threading.main_thread())
        return counter(item)

    model = ScriptedModel(script())
    await run(model, policy=TokenLimit(BUDGET), token_counter=count)
    assert len(counted) == len(set(counted)) == 1 + 2 * CALLS
    assert threads == {True, False}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"policy": lambda history: []}, "policy must be a coroutine function"),
        ({"policy": TokenLimit}, "policy must be a coroutine function"),
        ({"token_counter": None}, "token_counter must be a callable, got None"),
        ({"after": 5}, "after must be a callable, got 5"),
    ],
)
def test_a_wrong_argument_is_named(arguments, message):
    with pytest.raises(TypeError, match=message):
        input_filter(**({"policy": TokenLimit(9)} | arguments))


async def test_huge_outputs_of_parallel_calls_are_bounded():
    steps = [
        [function_call("read", {"number": n}, call_id=f"c{m}{n}") for n in range(8)]
        for m in range(5)
    ]
    model = ScriptedModel([*steps, [assistant_message("Done")]])
    policy = TrimToolOutputs(TokenLimit(BUDGET), max_tokens=200, newest_max_tokens=1_000)
    await run(model, policy=policy)
    for call in model.calls:
        assert sum(map(counter, call.input)) <= BUDGET
        assert rejections(call.input) == []


@pytest.mark.parametrize("given", ["a text", None, ["a text"]])
async def test_a_filter_before_ours_that_returns_no_list_of_items_is_named(given):
    bounded = input_filter(LastTurns(1), after=lambda data: ModelInputData(given, None))
    with pytest.raises(TypeError, match="after must return a ModelInputData whose input is a list"):
        await bounded(SimpleNamespace(model_data=ModelInputData([], None)))


@pytest.mark.parametrize("count", [None, -1, 1.5, "many"])
async def test_a_counter_that_returns_no_count_is_named(count):
    bounded = input_filter(TokenLimit(10), token_counter=lambda item: count)
    data = SimpleNamespace(model_data=ModelInputData([{"role": "user", "content": "a"}], None))
    with pytest.raises(ValueError, match=r"token_counter returned .*, not a whole number"):
        await bounded(data)


def test_a_session_that_knows_no_overhead_is_refused_before_the_run():
    with pytest.raises(TypeError, match="session must have overhead_tokens"):
        input_filter(TokenLimit(10, whole_prompt=True), session=object())
