"""The budget of the whole prompt: what is outside the history is observed, kept and deducted."""

from __future__ import annotations

import pytest
from agents import Agent, RunContextWrapper, Runner
from agents.testing import assistant_message

from mongo_sessions import MongoSessionStore, TokenLimit
from tests.support.clients import both_at_night
from tests.support.messages import documents, user
from tests.support.reporting import TOOLS, ReportingModel, usage
from tests.support.scribes import tokens

MAX_TOKENS = 4_000


def store(database, **options) -> MongoSessionStore:
    policy = TokenLimit(MAX_TOKENS, whole_prompt=True)
    return MongoSessionStore(database, token_counter=tokens, policy=policy, **options)


async def talk(make_session, turns: int, tools: int | None = TOOLS) -> ReportingModel:
    """Turns of 40 tokens, each through the session that ``make_session`` returns."""
    model = ReportingModel([[assistant_message("word " * 20)]] * turns, tools)
    for _ in range(turns):
        await Runner.run(Agent("assistant", model=model), "word " * 20, session=make_session())
    return model


async def long_session(database, words: int = 10) -> None:
    """600 items."""
    batch = [user("word " * words), {"role": "assistant", "content": "word " * words}] * 300
    await store(database).session("a").add_items(batch)


@both_at_night
@pytest.mark.parametrize("lives", ["session", "store", "nothing"])
async def test_after_two_turns_every_whole_prompt_is_within_the_budget(database, lives):
    """Whether the session object lives on, or the store, or each turn has a process of its own."""
    await long_session(database)
    kept_store = store(database)
    kept = kept_store.session("a")
    make = {
        "session": lambda: kept,
        "store": lambda: kept_store.session("a"),
        "nothing": lambda: store(database).session("a"),
    }[lives]
    model = await talk(make, 60)
    assert model.prompts[0] > MAX_TOKENS, "the overhead is not known yet"
    assert max(model.prompts[1:]) <= MAX_TOKENS
    assert min(model.prompts[1:]) > TOOLS + 300, "and the history has what remains"


async def test_without_usage_the_views_are_those_without_whole_prompt(database):
    await long_session(database)
    model = await talk(lambda: store(database).session("a"), 10, tools=None)
    views = []
    for policy in (TokenLimit(MAX_TOKENS), TokenLimit(MAX_TOKENS, whole_prompt=True)):
        session = MongoSessionStore(database, token_counter=tokens, policy=policy).session("a")
        views.append(await session.get_items())
        assert session.overhead_tokens == 0
    assert views[0] == views[1]
    assert max(model.prompts) > MAX_TOKENS - 1_500


async def respond(session, counted: int, input_tokens: int) -> int:
    """A run with ``counted`` tokens of new input, whose model reports ``input_tokens`` more."""
    wrapper = RunContextWrapper(None)
    before = sum(map(tokens, await session.get_items(wrapper=wrapper)))
    await session.add_items([user("word " * counted)], wrapper=wrapper)
    wrapper.usage.add(usage(before + counted + input_tokens))
    await session.add_items([{"role": "assistant", "content": "yes"}], wrapper=wrapper)
    return session.overhead_tokens


async def test_the_estimate_rises_at_once_and_falls_by_quarters(database):
    session = MongoSessionStore(database, token_counter=tokens).session("a")
    assert session.overhead_tokens == 0
    estimates = [await respond(session, 5, overhead) for overhead in (400, 800, 0, 0, 800)]
    assert estimates == [400, 800, 600, 450, 800]
    for _ in range(30):
        await respond(session, 5, 10)
    assert session.overhead_tokens == 10, "it arrives"
    assert await respond(session, 100, -50) == 7, "never below 0"
    other = MongoSessionStore(database, token_counter=tokens).session("a")
    assert other.overhead_tokens == 0
    await other.get_items()
    assert other.overhead_tokens == 7


async def test_only_the_first_response_of_a_run_is_observed(database):
    """A filter may shorten the prompts of the later ones."""
    session = MongoSessionStore(database, token_counter=tokens).session("a")
    wrapper = RunContextWrapper(None)
    await session.get_items(wrapper=wrapper)
    for reported in (500, 9_000, 20):
        wrapper.usage.add(usage(reported))
        await session.add_items([{"role": "assistant", "content": "yes"}], wrapper=wrapper)
    assert session.overhead_tokens == 500
    stored = [document["receipt"] for document in await documents(database)]
    assert [receipt["overhead"] for receipt in stored] == [500] * 3
    assert [receipt["counted"] for receipt in stored] == [0, 1, 2]


async def test_another_worker_sees_the_estimate_at_its_next_read(database):
    one, other = (MongoSessionStore(database, token_counter=tokens).session("a") for _ in range(2))
    await respond(one, 5, 400)
    await other.get_items()
    await respond(one, 5, 900)
    assert other.overhead_tokens == 400
    await other.get_items()
    assert other.overhead_tokens == 900


async def test_a_session_without_receipts_among_the_newest_items_remembers(database):
    session = store(database).session("a")
    await respond(session, 5, 400)
    await session.add_items([user(n) for n in range(300)])
    await session.get_items()
    assert session.overhead_tokens == 400


async def test_the_estimate_costs_no_command(database, sent):
    await long_session(database)
    await talk(lambda: store(database).session("a"), 2)
    session = store(database).session("a")
    await session.get_items()
    sent.clear()
    await session.get_items()
    assert sent.names == ["find"]
    assert session.overhead_tokens == TOOLS


async def test_tools_above_the_budget_show_the_newest_group_and_warn_once(database, caplog):
    await long_session(database, words=70)
    session = store(database).session("a")
    await talk(lambda: session, 3, tools=MAX_TOKENS + 1_000)
    view = await session.get_items()
    assert len(view) == 1
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 1
    assert "max_tokens is 4000 and the rest of the prompt has 5000" in messages[0]
    assert "The newest group of a session has 28 tokens" in messages[0]
    assert "word" not in caplog.text


async def test_a_recount_removes_what_the_old_counter_has_said(database):
    old = MongoSessionStore(database, token_counter=lambda item: 3 * tokens(item)).session("a")
    await respond(old, 5, 400)
    new = MongoSessionStore(database, token_counter=tokens)
    assert await new.recount() == 2
    assert await new.recount() == 0
    receipt = (await documents(database))[1]["receipt"]
    assert receipt == {"items": 1, "seen": 0, "input": 405, "cached": 7, "output": 11}
    session = new.session("a")
    await session.get_items()
    assert session.overhead_tokens == 0
    assert await respond(session, 5, 400) == 400
