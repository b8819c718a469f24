"""Receipts of runs: on which documents, with which numbers, and what they cost."""

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from agents import Agent, RunConfig, RunContextWrapper, Runner, function_tool
from agents.extensions.memory import EncryptedSession
from agents.memory import SessionSettings
from agents.run_state import RunState
from agents.testing import assistant_message, function_call

from mongo_sessions import MongoSession, MongoSessionStore, SummarizeOlder, TokenLimit
from mongo_sessions.policies import FoldStatus
from tests.conftest import open_database
from tests.support.faults import LossyProxy
from tests.support.messages import documents, user
from tests.support.reporting import ReportingModel, usage
from tests.support.scribes import Scribe, tokens, turns

SAID = "Zanzibar"
TOKENS = {"input": 3_001, "cached": 7, "output": 11, "counted": 1, "overhead": 3_000}


@function_tool
def weather(city: str) -> str:
    return f"sunny in {city}"


@function_tool(needs_approval=True)
def pay(amount: int) -> str:
    return f"paid {amount}"


def say(text: str) -> list:
    return [assistant_message(text)]


def call(name: str, call_id: str, **arguments) -> list:
    return [function_call(name, arguments, call_id=call_id)]


def counting(database, policy=None) -> MongoSessionStore:
    return MongoSessionStore(database, token_counter=tokens, policy=policy)


async def receipts(database, session_id: str = "a") -> dict[int, dict]:
    """The stored receipts, by the place of their document."""
    found = [d for d in await documents(database) if d["session_id"] == session_id]
    return {d["seq"]: d["receipt"] for d in found if "receipt" in d}


async def run(agent: Agent, text, session, *, streamed: bool = False, **options):
    if not streamed:
        return await Runner.run(agent, text, session=session, **options)
    result = Runner.run_streamed(agent, text, session=session, **options)
    async for _ in result.stream_events():
        pass
    return result


@pytest.mark.parametrize("streamed", [False, True])
async def test_each_response_has_a_receipt_on_its_first_document(database, streamed):
    """With parallel calls: their outputs belong to the same batch."""
    calls = [*call("weather", "1", city="Lisbon"), *call("weather", "2", city="Oslo")]
    model = ReportingModel([calls, say("Sunny today"), say("Bye")])
    agent = Agent("assistant", model=model, tools=[weather])
    session = counting(database).session("a")
    await run(agent, "Weather?", session, streamed=streamed)
    await run(agent, "Bye", session, streamed=streamed)
    stored = await documents(database)
    assert [d["item"].get("type", "user") for d in stored] == [
        "user",
        *["function_call"] * 2,
        *["function_call_output"] * 2,
        "message",
        "user",
        "message",
    ]
    batch = sum(d["tokens"] for d in stored[1:5])
    view = sum(d["tokens"] for d in stored[:6])
    second = {"counted": 1 + batch, "input": model.prompts[1]}
    third = {"counted": view + 1, "input": model.prompts[2]}
    assert await receipts(database) == {
        2: {"items": 4, "seen": 0, **TOKENS},
        6: {"items": 1, "seen": 0, **TOKENS, **second},
        8: {"items": 1, "cut": 1, "seen": 6, **TOKENS, **third},
    }
    assert second["input"] - second["counted"] == third["input"] - third["counted"] == 3_000


async def test_a_handoff_has_a_receipt_for_each_agent(database):
    expert = Agent("expert", model=ReportingModel([say("Expert here")], tools=500))
    front = Agent(
        "front", model=ReportingModel([call("transfer_to_expert", "1")]), handoffs=[expert]
    )
    await run(front, "Help", counting(database).session("a"))
    found = await receipts(database)
    assert {seq: receipt["items"] for seq, receipt in found.items()} == {2: 2, 4: 1}
    assert [receipt["overhead"] for receipt in found.values()] == [3_000, 3_000]
    assert found[4]["input"] - found[4]["counted"] == 500


async def test_an_agent_as_a_tool_does_not_take_the_place_of_its_caller(database):
    """It shares the usage of the run that calls it."""
    inner = Agent("inner", model=ReportingModel([say("found")], tools=50_000))
    tool = inner.as_tool("ask", "Asks another agent.")
    model = ReportingModel([call("ask", "1", input="x"), say("Done")])
    await run(Agent("outer", model=model, tools=[tool]), "Go", counting(database).session("a"))
    found = await receipts(database)
    assert [receipt["input"] for receipt in found.values()] == model.prompts
    assert {receipt["overhead"] for receipt in found.values()} == {3_000}


@pytest.mark.parametrize("through_text", [False, True])
async def test_a_resumed_run_stamps_its_usage(database, through_text):
    """The SDK reads no view for it, so what the model was shown is not known."""
    model = ReportingModel([call("pay", "1", amount=5), say("Done")])
    agent = Agent("assistant", model=model, tools=[pay])
    session = counting(database).session("a")
    result = await run(agent, "Pay", session)
    state = result.to_state()
    state.approve(result.interruptions[0])
    if through_text:
        state = await RunState.from_string(agent, state.to_string())
    await run(agent, state, session)
    assert await receipts(database) == {
        2: {"items": 1, "seen": 0, **TOKENS},
        4: {"items": 1, "input": model.prompts[1], "cached": 7, "output": 11, "overhead": 3_000},
    }


async def test_a_limit_in_the_run_config_leaves_the_usage(database):
    session = counting(database).session("a")
    await session.add_items(turns(1, 2))
    config = RunConfig(session_settings=SessionSettings(limit=2))
    model = ReportingModel([say("Hi")])
    await run(Agent("assistant", model=model), "Hello", session, run_config=config)
    [receipt] = (await receipts(database)).values()
    assert receipt == {"items": 1, "input": model.prompts[0], "cached": 7, "output": 11}


async def test_concurrent_runs_of_one_session_object_are_told_apart(database):
    session = counting(database).session("a")
    await session.add_items(turns(1, 2))
    models = [ReportingModel([say(f"answer {n}")], tools=1_000 * n) for n in range(1, 9)]
    asked = [
        run(Agent("assistant", model=model), "word " * n, session)
        for n, model in enumerate(models, 1)
    ]
    await asyncio.gather(*asked)
    found = await receipts(database)
    prompts = sorted(model.prompts[0] for model in models)
    assert sorted(receipt["input"] for receipt in found.values()) == prompts
    differences = [receipt["input"] - receipt["counted"] for receipt in found.values()]
    assert sorted(differences) == [1_000 * n for n in range(1, 9)]
    by_place = {d["seq"]: d["item"] for d in await documents(database)}
    for seq, receipt in found.items():
        n = (receipt["input"] - receipt["counted"]) // 1_000
        assert by_place[seq]["content"][0]["text"] == f"answer {n}"


async def test_a_receipt_names_the_cut_and_the_anchor_of_the_view(database):
    policy = SummarizeOlder(Scribe(), max_tokens=1_000)
    session = counting(database, policy).session("a")
    await session.add_items(turns(1, 12))
    await session.flush()  # the append may have started a fold, which holds the claim
    # Until nothing is due: so no summary is made between the view and the look behind the run.
    while (await policy.fold(await session._history())).status is FoldStatus.FOLDED:
        pass
    await run(Agent("assistant", model=ReportingModel([say("Yes")])), "And now?", session)
    history = await session._history()
    anchor = await history.latest_summary()
    view = [d["seq"] for d in await documents(database) if d["seq"] > anchor.seq]
    [receipt] = (await receipts(database)).values()
    assert (receipt["anchor"], receipt["cut"], receipt["seen"]) == (anchor.seq, view[0], 24)
    assert receipt["input"] - receipt["counted"] == receipt["overhead"] == 3_000


async def test_a_lost_answer_does_not_lose_or_move_a_receipt(driver, replica_set):
    with LossyProxy(urlsplit(replica_set).port) as lossy:
        async with open_database(driver, f"{lossy.uri}&retryWrites=false") as database:
            model = ReportingModel([call("weather", "1", city="Oslo"), say("Sunny")])
            agent = Agent("assistant", model=model, tools=[weather])
            lossy.lose_answers_to("insert", "commitTransaction")
            await run(agent, "Weather?", counting(database).session("a"))
            assert lossy.lost == 2
            assert len(await documents(database)) == 4
            found = await receipts(database)
            assert {seq: receipt["items"] for seq, receipt in found.items()} == {2: 2, 4: 1}


async def test_a_receipt_keeps_its_item_when_the_batch_is_numbered_again(database):
    session, other = counting(database).session("a"), counting(database).session("a")
    wrapper = RunContextWrapper(None)
    await session.get_items(wrapper=wrapper)
    await other.add_items(turns(1, 2))
    batch = [{"role": "assistant", "content": "two words"}, user("1")]
    await session.add_items(batch, wrapper=wrapper)
    assert await receipts(database) == {5: {"items": 2, "seen": 0, "counted": 0}}


async def test_every_backend_stores_receipts(any_database):
    session = counting(any_database).session("a")
    await run(Agent("assistant", model=ReportingModel([say("Hi")])), "Hello", session)
    assert await receipts(any_database) == {2: {"items": 1, "seen": 0, **TOKENS}}
    await session.pop_item()
    await session.clear_session()
    assert await receipts(any_database) == {}


async def test_without_usage_a_receipt_has_only_what_the_session_knows(database):
    session = counting(database).session("a")
    await run(Agent("assistant", model=ReportingModel([say("Hi")], tools=None)), "Hello", session)
    assert await receipts(database) == {2: {"items": 1, "seen": 0, "counted": 1}}
    assert session.overhead_tokens == 0


async def test_a_call_outside_a_run_stores_what_it_did_before(database):
    session = counting(database).session("a")
    await session.get_items()
    await session.add_items(turns(1, 1))
    await session.add_items(turns(1, 1), wrapper=RunContextWrapper(None))  # has read no view
    fields = {"_id", "session_id", "seq", "item", "tokens", "total_tokens", "turn", "created_at"}
    assert all(d.keys() == fields for d in await documents(database))


def incomplete(**fields) -> list:
    total = usage(None)
    total.add(usage(100))
    [entry] = requests = total.request_usage_entries
    for name, value in fields.items():
        setattr(entry, name, value)
    return requests


ANSWER = {"role": "assistant", "content": "hi"}


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        (None, {}),
        ([], {}),
        (incomplete(input_tokens=None), {}),
        (incomplete(input_tokens=0), {}),
        (incomplete(input_tokens_details=None), {"input": 100, "output": 11, "overhead": 100}),
        (incomplete(output_tokens=None), {"input": 100, "cached": 7, "overhead": 100}),
        (incomplete(input_tokens=2**70), {}),
        (incomplete(input_tokens=10**12), {}),
        (incomplete(input_tokens=float("nan")), {}),
        (incomplete(input_tokens=-1), {}),
        (incomplete(input_tokens=True), {}),
        (incomplete(output_tokens=2**70), {"input": 100, "cached": 7, "overhead": 100}),
        (incomplete(output_tokens=-1), {"input": 100, "cached": 7, "overhead": 100}),
        (
            incomplete(input_tokens_details=SimpleNamespace(cached_tokens=2**70)),
            {"input": 100, "output": 11, "overhead": 100},
        ),
        (
            incomplete(input_tokens_details=SimpleNamespace(cached_tokens=-1)),
            {"input": 100, "output": 11, "overhead": 100},
        ),
    ],
)
async def test_usage_that_is_missing_or_impossible_does_not_disturb_a_run(database, entries, found):
    session, wrapper = counting(database).session("a"), RunContextWrapper(None)
    await session.get_items(wrapper=wrapper)
    wrapper.usage.request_usage_entries = entries
    await session.add_items([ANSWER], wrapper=wrapper)
    assert await receipts(database) == {1: {"items": 1, "seen": 0, "counted": 0, **found}}


async def test_answers_in_the_input_of_a_run_are_not_taken_for_its_response(database):
    session = counting(database).session("a")
    model = ReportingModel([say("Hi")])
    config = RunConfig(session_input_callback=lambda history, new: history + new)
    await run(Agent("assistant", model=model), [ANSWER, user("hi")], session, run_config=config)
    found = await receipts(database)
    assert found[1] == {"items": 2, "seen": 0, "counted": 0}
    assert found[3] == {"items": 1, "seen": 0, **TOKENS, "counted": 2, "input": 3_002}


async def test_a_store_without_counts_still_stamps_the_usage(database):
    session = MongoSessionStore(database, token_counter=None).session("a")
    await run(Agent("assistant", model=ReportingModel([say("Hi")])), "Hello", session)
    [receipt] = (await receipts(database)).values()
    assert receipt == {"items": 1, "seen": 0, "input": 3_001, "cached": 7, "output": 11}


async def test_no_text_of_the_conversation_is_in_a_receipt(database):
    model = ReportingModel([call("weather", "1", city=SAID), say(SAID)])
    agent = Agent("assistant", model=model, tools=[weather])
    await run(agent, SAID, counting(database, TokenLimit(1_000)).session("a"))
    found = await receipts(database)
    assert len(found) == 2
    assert {type(value) for receipt in found.values() for value in receipt.values()} == {int}


async def test_a_run_through_encrypted_session_has_no_receipts(database):
    """The items do not tell who wrote them."""
    session = EncryptedSession("a", counting(database).session("a"), "the key of a test")
    await run(Agent("assistant", model=ReportingModel([say("Hi")])), "Hello", session)
    assert len(await documents(database)) == 2
    assert await receipts(database) == {}


class Recording(MongoSession):
    """A subclass from before ``wrapper``."""

    async def add_items(self, items):
        await super().add_items(items)


async def test_a_subclass_without_the_parameter_works_without_receipts(database):
    store = counting(database)
    session = Recording(store._connections, "a")
    await run(Agent("assistant", model=ReportingModel([say("Hi")])), "Hello", session)
    assert len(await documents(database)) == 2
    assert await receipts(database) == {}


async def test_a_session_object_remembers_no_ended_run(database):
    session = counting(database).session("a")
    for _ in range(3):
        await session.get_items(wrapper=RunContextWrapper(None))
    gc.collect()
    kept = [RunContextWrapper(None) for _ in range(100)]
    for wrapper in kept:
        await session.get_items(wrapper=wrapper)
    assert len(session._runs._runs) == 64
    assert not hasattr(kept[0], "receipt")
    assert vars(kept[-1]).keys() == vars(RunContextWrapper(None)).keys()


async def test_a_receipt_costs_no_command(database, sent):
    session, wrapper = counting(database).session("a"), RunContextWrapper(None)
    await session.get_items(wrapper=wrapper)
    sent.clear()
    await session.get_items(wrapper=wrapper)
    await session.add_items([user("hi")], wrapper=wrapper)
    await session.add_items([{"role": "assistant", "content": "a"}, user(1)], wrapper=wrapper)
    await session.add_items([{"role": "assistant", "content": "a"}], wrapper=wrapper)
    assert sent.names == ["find", "insert", "insert", "commitTransaction", "insert"]
    assert list(await receipts(database)) == [2, 4]
