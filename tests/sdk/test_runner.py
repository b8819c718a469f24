"""The SDK's real Runner with a scripted model: the received prompts, and the stored items."""

from __future__ import annotations

import asyncio
from threading import Thread
from urllib.parse import urlsplit

import pytest
from agents import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrailTripwireTriggered,
    MaxTurnsExceeded,
    OutputGuardrailTripwireTriggered,
    RunConfig,
    Runner,
    function_tool,
    input_guardrail,
    output_guardrail,
)
from agents.memory import SessionSettings
from agents.run_state import RunState
from agents.testing import ScriptedModel, assistant_message, function_call
from pymongo.errors import PyMongoError

from mongo_sessions import MongoSessionStore, ServerUnavailable, TokenLimit
from tests.conftest import open_database
from tests.support.faults import LossyProxy, failing


@function_tool
def weather(city: str) -> str:
    return f"sunny in {city}"


@function_tool(needs_approval=True)
def pay(amount: int) -> str:
    return f"paid {amount}"


@pytest.fixture
def session(store):
    return store.session("a")


def say(text: str) -> list:
    return [assistant_message(text)]


def call(name: str, call_id: str, **arguments) -> list:
    return [function_call(name, arguments, call_id=call_id)]


def short(items) -> list[str]:
    """Items in a form that can be read in an assertion."""
    return [_short(item) for item in items]


def _short(item) -> str:
    match item.get("type", "message"):
        case "message":
            content = item["content"]
            text = content if isinstance(content, str) else content[0]["text"]
            return f"{item['role']}: {text}"
        case "function_call":
            return f"call {item['call_id']}: {item['name']}"
        case "function_call_output":
            return f"output {item['call_id']}: {item['output']}"
        case other:
            return other


def received(model: ScriptedModel) -> list[list[str]]:
    return [short(model_call.input) for model_call in model.calls]


async def stored(session) -> list[str]:
    return short([entry.item async for entry in session.entries()])


async def test_a_second_run_continues_the_conversation(session):
    model = ScriptedModel([say("Hello Ann"), say("You are Ann")])
    agent = Agent("assistant", model=model)
    await Runner.run(agent, "I am Ann", session=session)
    await Runner.run(agent, "Who am I?", session=session)
    conversation = [
        "user: I am Ann",
        "assistant: Hello Ann",
        "user: Who am I?",
        "assistant: You are Ann",
    ]
    assert received(model) == [conversation[:1], conversation[:3]]
    assert await stored(session) == conversation


async def test_the_policy_limits_the_prompt_and_not_the_log(database):
    store = MongoSessionStore(database, token_counter=lambda item: 10, policy=TokenLimit(40))
    session = store.session("a")
    model = ScriptedModel([say(f"answer {n}") for n in range(20)])
    agent = Agent("assistant", model=model)
    for n in range(20):
        await Runner.run(agent, f"question {n}", session=session)
    assert len(await stored(session)) == 40
    assert max(map(len, received(model))) == 5
    assert received(model)[-1][-2:] == ["assistant: answer 18", "user: question 19"]


async def test_streamed(session):
    model = ScriptedModel([call("weather", "1", city="Lisbon"), say("Sunny"), say("Bye")])
    agent = Agent("assistant", model=model, tools=[weather])
    result = Runner.run_streamed(agent, "Weather?", session=session)
    async for _ in result.stream_events():
        pass
    result = Runner.run_streamed(agent, "Bye", session=session)
    async for _ in result.stream_events():
        pass
    conversation = [
        "user: Weather?",
        "call 1: weather",
        "output 1: sunny in Lisbon",
        "assistant: Sunny",
        "user: Bye",
        "assistant: Bye",
    ]
    assert received(model)[-1] == conversation[:5]
    assert await stored(session) == conversation


async def test_parallel_tool_calls(session):
    calls = [*call("weather", "1", city="Lisbon"), *call("weather", "2", city="Oslo")]
    model = ScriptedModel([calls, say("Sunny")])
    await Runner.run(Agent("assistant", model=model, tools=[weather]), "Weather?", session=session)
    conversation = [
        "user: Weather?",
        "call 1: weather",
        "call 2: weather",
        "output 1: sunny in Lisbon",
        "output 2: sunny in Oslo",
        "assistant: Sunny",
    ]
    assert received(model)[-1] == conversation[:5]
    assert await stored(session) == conversation


async def test_several_agents_share_a_session(session):
    one, other = ScriptedModel([say("I am one")]), ScriptedModel([say("I am other")])
    await Runner.run(Agent("one", model=one), "Who?", session=session)
    await Runner.run(Agent("other", model=other), "And you?", session=session)
    assert received(other) == [["user: Who?", "assistant: I am one", "user: And you?"]]


async def test_handoff(session):
    expert_model = ScriptedModel([say("Expert here")])
    expert = Agent("expert", model=expert_model)
    model = ScriptedModel([call("transfer_to_expert", "1")])
    await Runner.run(Agent("front", model=model, handoffs=[expert]), "Help", session=session)
    conversation = ["user: Help", "call 1: transfer_to_expert", 'output 1: {"assistant": "expert"}']
    assert received(expert_model) == [conversation]
    assert await stored(session) == [*conversation, "assistant: Expert here"]


PAID = ["user: Pay 5", "call 1: pay", "output 1: paid 5", "assistant: Done"]


def paying_agent() -> tuple[Agent, ScriptedModel]:
    model = ScriptedModel([call("pay", "1", amount=5), say("Done"), say("Bye")])
    return Agent("assistant", model=model, tools=[pay]), model


async def interrupted(agent: Agent, session) -> RunState:
    result = await Runner.run(agent, "Pay 5", session=session)
    state = result.to_state()
    state.approve(result.interruptions[0])
    return state


async def test_an_approval_is_resumed(session):
    agent, model = paying_agent()
    state = await interrupted(agent, session)
    assert await stored(session) == PAID[:2]
    state = await RunState.from_string(agent, state.to_string())
    await Runner.run(agent, state, session=session)
    assert await stored(session) == PAID
    await Runner.run(agent, "Bye", session=session)
    assert received(model) == [PAID[:1], PAID[:3], [*PAID, "user: Bye"]]


async def test_an_approval_that_is_still_open_is_not_shown(database, session):
    agent, _ = paying_agent()
    await interrupted(agent, session)
    windowed = MongoSessionStore(database, policy=TokenLimit(1_000)).session("a")
    assert short(await windowed.get_items()) == PAID[:1]
    assert short(await windowed.get_items(limit=5)) == PAID[:2]


async def test_a_resume_after_a_failed_append_writes_the_output_once(database):
    session = MongoSessionStore(database, retry_for=1).session("a")
    agent, model = paying_agent()
    state = await interrupted(agent, session)
    async with failing(database, "insert", times="alwaysOn", closeConnection=True):
        with pytest.raises((PyMongoError, ServerUnavailable)):
            await Runner.run(agent, state, session=session)
    assert await stored(session) == PAID[:2]
    await Runner.run(agent, state, session=session)
    assert await stored(session) == PAID
    assert received(model)[-1] == PAID[:3]


@pytest.mark.parametrize(("lost", "retry_for"), [(1, 30), (40, 0.2)])
async def test_a_resume_after_a_lost_acknowledgement_writes_the_output_once(
    driver, replica_set, lost, retry_for
):
    """One lost answer goes unnoticed; after many, the append fails although it was written."""
    with LossyProxy(urlsplit(replica_set).port) as lossy:
        async with open_database(driver, f"{lossy.uri}&retryWrites=false") as database:
            session = MongoSessionStore(database, retry_for=retry_for).session("a")
            agent, model = paying_agent()
            state = await interrupted(agent, session)
            lossy.lose_answers_to(*["insert"] * lost)
            if lost > 1:
                with pytest.raises((PyMongoError, ServerUnavailable)):
                    await Runner.run(agent, state, session=session)
                lossy.lose_answers_to()
                assert await stored(session) == PAID[:3]
            await Runner.run(agent, state, session=session)
            assert lossy.lost >= 1
            assert await stored(session) == PAID
            assert received(model)[-1] == PAID[:3]


async def test_an_input_guardrail_trips(session):
    @input_guardrail(run_in_parallel=False)
    def refuse(context, agent, user_input) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    model = ScriptedModel([say("No")])
    agent = Agent("assistant", model=model, input_guardrails=[refuse])
    with pytest.raises(InputGuardrailTripwireTriggered):
        await Runner.run(agent, "Bad", session=session)
    assert received(model) == []
    assert await stored(session) == ["user: Bad"]
    await Runner.run(Agent("assistant", model=model), "Good", session=session)
    assert received(model) == [["user: Bad", "user: Good"]]


async def test_an_output_guardrail_trips(session):
    @output_guardrail
    def refuse(context, agent, output) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    model = ScriptedModel([call("weather", "1", city="Oslo"), say("Secret"), say("Good")])
    agent = Agent("assistant", model=model, tools=[weather], output_guardrails=[refuse])
    with pytest.raises(OutputGuardrailTripwireTriggered):
        await Runner.run(agent, "Tell", session=session)
    before = await stored(session)
    assert before[:3] == ["user: Tell", "call 1: weather", "output 1: sunny in Oslo"]
    await Runner.run(Agent("assistant", model=model), "Good?", session=session)
    assert received(model)[-1] == [*before, "user: Good?"]


async def test_after_max_turns_the_history_can_be_continued(session):
    model = ScriptedModel(
        [call("weather", "1", city="Oslo"), call("weather", "2", city="Rome"), say("Stop")]
    )
    agent = Agent("assistant", model=model, tools=[weather])
    with pytest.raises(MaxTurnsExceeded):
        await Runner.run(agent, "Loop", session=session, max_turns=2)
    before = await stored(session)
    assert before == [
        "user: Loop",
        "call 1: weather",
        "output 1: sunny in Oslo",
        "call 2: weather",
        "output 2: sunny in Rome",
    ]
    await Runner.run(agent, "Enough", session=session)
    assert received(model)[-1] == [*before, "user: Enough"]


async def test_session_input_callback(session):
    await session.add_items([{"role": "user", "content": f"old {n}"} for n in range(5)])

    def newest_two(history, new):
        return history[-2:] + new

    model = ScriptedModel([say("ok")])
    config = RunConfig(session_input_callback=newest_two)
    await Runner.run(Agent("assistant", model=model), "new", session=session, run_config=config)
    assert received(model) == [["user: old 3", "user: old 4", "user: new"]]
    assert (await stored(session))[4:] == ["user: old 4", "user: new", "assistant: ok"]


LIMITED = RunConfig(session_settings=SessionSettings(limit=3))


async def test_a_run_limit_bypasses_the_policy_with_one_warning_a_store(database, caplog):
    store = MongoSessionStore(database, policy=TokenLimit(1))
    await store.session("a").add_items([{"role": "user", "content": f"old {n}"} for n in range(5)])
    model = ScriptedModel([say("ok"), say("ok")])
    for session_id in ("a", "b"):
        session = store.session(session_id)
        agent = Agent("assistant", model=model)
        await Runner.run(agent, "new", session=session, run_config=LIMITED)
    assert received(model) == [
        ["user: old 2", "user: old 3", "user: old 4", "user: new"],
        ["user: new"],
    ]
    [warning] = caplog.records
    assert warning.name == "mongo_sessions"
    assert "SessionSettings(limit=3)) bypasses the policy of session 'a'" in warning.message
    assert "policy=None" in warning.message


@pytest.mark.parametrize("settings", [None, SessionSettings(limit=4)])
async def test_a_limit_of_the_run_is_no_problem_without_a_policy(database, caplog, settings):
    session = MongoSessionStore(database, session_settings=settings).session("a")
    model = ScriptedModel([say("ok")])
    agent = Agent("assistant", model=model)
    await Runner.run(agent, "new", session=session, run_config=LIMITED)
    assert caplog.records == []


async def test_a_run_that_reads_its_writes_back_bypasses_nothing(database, caplog):
    """An approval that is resumed asks with a limit, and so may the application."""
    session = MongoSessionStore(database, policy=TokenLimit(1_000)).session("a")
    agent, _ = paying_agent()
    config = RunConfig(session_settings=SessionSettings())
    result = await Runner.run(agent, "Pay 5", session=session, run_config=config)
    state = result.to_state()
    state.approve(result.interruptions[0])
    await Runner.run(agent, state, session=session, run_config=config)
    assert short(await session.get_items(limit=2)) == PAID[2:]
    assert caplog.records == []


async def test_a_correction_with_pop_item(session):
    model = ScriptedModel([say("4"), say("6")])
    agent = Agent("assistant", model=model)
    await Runner.run(agent, "2+2?", session=session)
    await session.pop_item()
    await session.pop_item()
    await Runner.run(agent, "2+4?", session=session)
    assert received(model) == [["user: 2+2?"], ["user: 2+4?"]]
    assert await stored(session) == ["user: 2+4?", "assistant: 6"]


@pytest.fixture
def own_store(replica_set):
    """A store that makes its clients itself, on a collection of its own."""
    return MongoSessionStore.from_uri(replica_set, "test_own", collection="runner_sync")


def run_sync(agent: Agent, texts: list[str], session) -> None:
    """Runner.run_sync keeps the event loop of its thread open; the thread ends here."""
    for text in texts:
        Runner.run_sync(agent, text, session=session)
    asyncio.get_event_loop().close()
    asyncio.set_event_loop(None)


def test_run_sync_twice_and_in_threads(own_store):
    async def clean_up():
        async with own_store:
            await own_store.delete_session("a")

    model = ScriptedModel([say(str(n)) for n in range(4)])
    agent = Agent("assistant", model=model)
    try:
        for texts in (["one", "two"], ["three"], ["four"]):
            thread = Thread(target=run_sync, args=(agent, texts, own_store.session("a")))
            thread.start()
            thread.join()
    finally:
        asyncio.run(clean_up())
    conversation = [
        *("user: one", "assistant: 0", "user: two", "assistant: 1"),
        *("user: three", "assistant: 2", "user: four"),
    ]
    assert received(model) == [conversation[:1], conversation[:3], conversation[:5], conversation]
