"""A policy around other sessions of the SDK."""

from __future__ import annotations

import asyncio
import gc

import pytest
from agents import Agent, RunConfig, Runner, SQLiteSession
from agents.extensions.memory import EncryptedSession
from agents.memory import Session, SessionSettings
from agents.testing import ScriptedModel, assistant_message

from mongo_sessions import (
    LastTurns,
    ListHistory,
    PolicySession,
    SummarizeOlder,
    TokenLimit,
    TrimToolOutputs,
)
from tests.policies.test_views import count
from tests.support.conversations import conversation, rejections
from tests.support.scribes import HeldScribe, Scribe, tokens, turns, user

KEY = "the key of a test, and of nothing else"


@pytest.fixture
def sqlite():
    session = SQLiteSession("a")
    yield session
    session.close()
    gc.collect()


@pytest.fixture(params=["sqlite", "encrypted"])
def inner(request, sqlite, store):
    if request.param == "sqlite":
        return sqlite
    return EncryptedSession("a", store.session("a", policy=None), KEY)


def around(session, policy, token_counter=count) -> PolicySession:
    return PolicySession(session, policy, token_counter=token_counter)


def test_it_is_a_session_of_the_sdk_without_names_that_the_sdk_looks_for(sqlite):
    session = around(sqlite, TokenLimit(100))
    assert isinstance(session, Session)
    assert session.session_id == "a"
    assert session.session_settings == SessionSettings()
    probed = ("_get_", "_add_", "_atomic_", "_defer_", "_read_compaction", "run_compaction")
    assert not [name for name in dir(session) if name.startswith(probed)]
    assert not hasattr(session, "anything_else")


@pytest.mark.parametrize(
    "policy",
    [
        TokenLimit(600),
        LastTurns(3),
        TrimToolOutputs(TokenLimit(600), max_tokens=50, keep_turns=1, block_turns=1),
    ],
    ids=["TokenLimit", "LastTurns", "TrimToolOutputs"],
)
async def test_it_shows_what_the_policy_shows_of_all_items(inner, policy):
    session = around(inner, policy)
    items = conversation(3, turns=12)
    known: list[dict] = []
    for start in range(0, len(items), 7):
        known += items[start : start + 7]
        await session.add_items(items[start : start + 7])
        shown = await session.get_items()
        assert shown == await policy(ListHistory(known, token_counter=count))
        assert rejections(shown) == [] or known != items
    assert await session.get_items(limit=5) == items[-5:]
    assert await inner.get_items() == items
    assert await session.pop_item() == items[-1]
    assert await session.get_items() == await policy(ListHistory(items[:-1], token_counter=count))
    await session.clear_session()
    assert await session.get_items() == []


async def test_only_new_items_are_counted(sqlite):
    counted: list[str] = []

    def counter(item: dict) -> int:
        counted.append(str(item))
        return 10

    session = around(sqlite, TokenLimit(10_000), counter)
    for number in range(1, 6):
        await session.add_items(turns(number, number))
        await session.get_items()
    assert len(counted) == 10
    await session.pop_item()
    await session.add_items([user(99)])
    await session.get_items()
    assert len(counted) == 11


async def test_a_caller_may_change_what_it_gets(sqlite):
    session = around(sqlite, TokenLimit(10_000))
    await session.add_items(turns(1, 2))
    (await session.get_items())[0]["content"] = "changed"
    assert await session.get_items() == turns(1, 2)


async def test_a_runner_gets_the_view_and_all_is_stored(inner):
    session = around(inner, LastTurns(2, block_turns=1))
    model = ScriptedModel([[assistant_message(f"re: {n}")] for n in range(5)])
    for number in range(5):
        await Runner.run(Agent("a", model=model), str(number), session=session)
    assert [len(call.input) for call in model.calls] == [1, 3, 5, 5, 5]
    assert len(await inner.get_items()) == 10


async def test_summaries_are_made_once_in_the_background_and_survive_a_pop(sqlite):
    scribe = Scribe()
    policy = SummarizeOlder(scribe, max_tokens=1_000)
    session = around(sqlite, policy, tokens)
    for number in range(1, 21):
        await session.add_items(turns(number, number))
    await session.flush()
    shown = await session.get_items()
    await session.flush()
    made = len(scribe.requests)
    assert made > 1
    assert "<conversation_summary>" in shown[0]["content"]
    assert shown[1:] == turns(1, 20)[-len(shown) + 1 :]
    assert sum(map(tokens, shown)) <= 1_000
    await session.pop_item()
    assert await session.get_items() == shown[:-1]
    await session.flush()
    assert len(scribe.requests) == made


async def test_a_summary_of_removed_items_is_not_stored_on_new_ones(sqlite):
    scribe = HeldScribe()
    session = around(sqlite, SummarizeOlder(scribe, max_tokens=1_000), tokens)
    await session.add_items(turns(1, 9))
    await scribe.asked.wait()
    await session.clear_session()
    await session.add_items(turns(101, 103))
    shown = await session.get_items()
    scribe.may_go_on.set()
    await session.flush()
    assert await session.get_items() == shown == turns(101, 103)


async def test_reads_at_the_same_time_agree(sqlite):
    session = around(sqlite, TokenLimit(10_000))

    async def write(number: int) -> None:
        await session.add_items(turns(number, number))
        assert turns(number, number)[0] in await session.get_items()

    await asyncio.gather(*map(write, range(20)))
    assert await session.get_items() == await sqlite.get_items()


def test_it_works_in_one_event_loop_after_another(sqlite):
    session = around(sqlite, SummarizeOlder(Scribe(), max_tokens=1_000), tokens)

    async def talk(number: int) -> list:
        await session.add_items(turns(10 * number, 10 * number + 9))
        await session.flush()
        return await session.get_items()

    for number in range(1, 4):
        assert asyncio.run(talk(number))[-1] == turns(1, 10 * number + 9)[-1]


class WithContext(SQLiteSession):
    """Needs the context of the run, as the SDK allows."""

    async def get_items(self, limit=None, *, wrapper):
        self.seen.append(wrapper.context)
        return await super().get_items(limit)

    async def add_items(self, items, *, wrapper):
        self.seen.append(wrapper.context)
        await super().add_items(items)

    async def pop_item(self, *, wrapper):
        return await super().pop_item()

    async def clear_session(self, *, wrapper):
        await super().clear_session()


async def test_a_session_that_needs_the_context_of_the_run_gets_it():
    inner = WithContext("a")
    inner.seen = []
    session = around(inner, SummarizeOlder(Scribe(), max_tokens=1_000), tokens)
    model = ScriptedModel([[assistant_message("ok")]])
    await Runner.run(Agent("a", model=model), "Hi", session=session, context="the user")
    await session.flush()
    assert set(inner.seen) == {"the user"}
    assert len(inner.seen) > 3
    inner.close()


async def test_a_limit_in_the_settings_is_refused_or_logged(sqlite, caplog):
    limited = SQLiteSession("b", session_settings=SessionSettings(limit=5))
    with pytest.raises(ValueError, match=r"session_settings\.limit=5 and a policy"):
        PolicySession(limited, TokenLimit(100))
    limited.close()
    session = around(sqlite, TokenLimit(10_000))
    with pytest.raises(ValueError, match=r"session_settings\.limit=7 and a policy"):
        session.session_settings = SessionSettings(limit=7)
    await session.add_items(turns(1, 5))
    model = ScriptedModel([[assistant_message("ok")]] * 2)
    config = RunConfig(session_settings=SessionSettings(limit=2))
    for _ in range(2):
        await Runner.run(Agent("a", model=model), "Hi", session=session, run_config=config)
    assert len(model.calls[0].input) == 3
    [warning] = [record for record in caplog.records if record.name == "mongo_sessions"]
    assert "bypasses the policy of session 'a'" in warning.message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"policy": 5}, "policy must be a coroutine function"),
        ({"token_counter": None}, "token_counter must be a callable, got None"),
    ],
)
def test_a_wrong_argument_is_named(sqlite, arguments, message):
    with pytest.raises(TypeError, match=message):
        PolicySession(**({"session": sqlite, "policy": TokenLimit(9)} | arguments))
