"""The SDK's real Runner with summaries: what the model received, and what is stored."""

from __future__ import annotations

import asyncio

import pytest
from agents import Agent, RunConfig, Runner
from agents.run_state import RunState
from agents.testing import ScriptedModel

from mongo_sessions import MongoSessionStore, SummarizeOlder
from tests.sdk.test_runner import call, pay, received, say, short, stored
from tests.support.scribes import HeldScribe, Scribe

# Every item costs as much: with 1,000 tokens, six of twelve items are folded.
ITEM_TOKENS = 60


def store_of(database, scribe, **options) -> MongoSessionStore:
    policy = SummarizeOlder(scribe, max_tokens=1_000, **options)
    return MongoSessionStore(database, token_counter=lambda item: ITEM_TOKENS, policy=policy)


def conversation(turns: int) -> list[str]:
    return [
        line for n in range(turns) for line in (f"user: question {n}", f"assistant: answer {n}")
    ]


def agent_of(turns: int) -> tuple[Agent, ScriptedModel]:
    model = ScriptedModel([say(f"answer {n}") for n in range(turns)])
    return Agent("assistant", model=model), model


def without_summary(prompt: list[str]) -> list[str]:
    """A prompt that begins with a summary, without that."""
    assert prompt[0].startswith("user: <conversation_summary>\n")
    assert not any("<conversation_summary>" in line for line in prompt[1:])
    return prompt[1:]


async def test_the_model_is_shown_the_summary_which_is_never_stored(database):
    store = store_of(database, Scribe())
    agent, model = agent_of(12)
    for n in range(12):
        session = store.session("a")
        await Runner.run(agent, f"question {n}", session=session)
        await session.flush()
    assert await stored(session) == conversation(12)
    entries = [entry async for entry in session.entries()]
    assert [entry.turn for entry in entries] == [n for n in range(1, 13) for _ in "qa"]
    assert received(model)[4] == conversation(5)[:9], "the ninth item makes nothing due"
    shown = without_summary(received(model)[-1])
    assert shown == conversation(12)[23 - len(shown) : 23]
    assert all(len(prompt) * ITEM_TOKENS <= 1_000 for prompt in received(model))


async def test_the_end_of_a_stream_is_not_delayed_by_a_summary_in_the_making(database):
    scribe = HeldScribe()
    session = store_of(database, scribe).session("a")
    agent, model = agent_of(7)
    for n in range(7):
        result = Runner.run_streamed(agent, f"question {n}", session=session)
        async for _ in result.stream_events():
            pass
    await asyncio.wait_for(scribe.asked.wait(), 20)
    assert len(scribe.requests) == 1
    assert received(model)[-1] == conversation(7)[:13]
    assert await stored(session) == conversation(7)
    scribe.may_go_on.set()
    await session.flush()
    assert without_summary(short(await session.get_items())) == conversation(7)[6:]


async def test_an_approval_is_resumed_across_a_fold(database):
    """The Runner reads back the newest items exactly as they are, whatever the summary."""
    store = store_of(database, Scribe())
    session = store.session("a")
    talk, _ = agent_of(9)
    for n in range(4):
        await Runner.run(talk, f"question {n}", session=session)
    model = ScriptedModel([call("pay", "1", amount=5), say("Done"), say("Bye")])
    agent = Agent("assistant", model=model, tools=[pay])
    result = await Runner.run(agent, "Pay 5", session=session)
    await session.flush()
    state = result.to_state()
    state.approve(result.interruptions[0])
    state = await RunState.from_string(agent, state.to_string())
    assert await store.fold_pending(session.policy) == 0
    before = await stored(session)
    assert before[8:] == ["user: Pay 5", "call 1: pay"]
    await Runner.run(agent, state, session=store.session("a"))
    paid = [*before, "output 1: paid 5", "assistant: Done"]
    assert await stored(session) == paid
    await session.flush()
    await store.fold_pending(session.policy)
    await Runner.run(agent, "Bye", session=store.session("a"))
    assert without_summary(received(model)[-1]) == [*paid, "user: Bye"][6:]
    assert await stored(session) == [*paid, "user: Bye", "assistant: Bye"]


async def test_a_resume_after_a_fold_in_between(database):
    """The summary is made while the approval is open; the open call is no part of it."""
    store = store_of(database, Scribe(), fold_tokens=240)
    session = store.session("a")
    talk, _ = agent_of(9)
    for n in range(3):
        await Runner.run(talk, f"question {n}", session=session)
    model = ScriptedModel([call("pay", "1", amount=5), say("Done")])
    agent = Agent("assistant", model=model, tools=[pay])
    result = await Runner.run(agent, "Pay 5", session=session)
    await session.flush()
    assert without_summary(short(await session.get_items())) == [
        *conversation(3)[4:],
        "user: Pay 5",
    ]
    state = result.to_state()
    state.approve(result.interruptions[0])
    await Runner.run(agent, state, session=session)
    await session.flush()
    assert (await stored(session))[6:] == [
        "user: Pay 5",
        "call 1: pay",
        "output 1: paid 5",
        "assistant: Done",
    ]


@pytest.mark.parametrize("how", ["history + new", "a copy of it", "newest two"])
async def test_session_input_callback_sees_the_summary_and_does_not_store_it(database, how):
    ways = {
        "history + new": lambda history, new: history + new,
        "a copy of it": lambda history, new: [dict(item) for item in history + new],
        "newest two": lambda history, new: [*history[:1], *history[-2:], *new],
    }
    store = store_of(database, Scribe())
    agent, model = agent_of(12)
    config = RunConfig(session_input_callback=ways[how])
    for n in range(12):
        session = store.session("a")
        await Runner.run(agent, f"question {n}", session=session, run_config=config)
        await session.flush()
    assert await stored(session) == conversation(12)
    without_summary(received(model)[-1])


async def test_a_run_in_the_foreground_waits_for_its_summary(database):
    scribe = Scribe()
    session = store_of(database, scribe, background=False).session("a")
    agent, model = agent_of(6)
    for n in range(6):
        await Runner.run(agent, f"question {n}", session=session)
    without_summary(received(model)[-1])
    assert len(scribe.requests) == 1
