"""The overhead of a prompt, which the provider's usage tells, has no recalled block in it."""

from __future__ import annotations

import asyncio

import pytest
from agents import Agent, RunConfig, Runner
from agents.testing import assistant_message

from mongo_sessions import MongoSessionStore, Recall, TokenLimit
from tests.support.messages import user
from tests.support.reporting import TOOLS, ReportingModel
from tests.support.scribes import tokens

MAX_TOKENS = 6_000
RECALLED = 1_000
QUESTION = "What was said about the quagga and its stripes? Tell me all."
FACTS = [
    {"role": role, "content": f"The quagga number {number} has stripes. " + "word " * 20}
    for number in range(6)
    for role in ("user", "assistant")
]
FILLER = [{"role": "user", "content": "other " * 30}, {"role": "assistant", "content": "yes " * 30}]


async def told_session(database):
    policy = Recall(TokenLimit(MAX_TOKENS, whole_prompt=True), RECALLED, seconds=60)
    session = MongoSessionStore(database, token_counter=tokens).session("a", policy=policy)
    await session.add_items([*FACTS, *FILLER * 160])
    return session


async def run(session, text: str = QUESTION, *, has_filter: bool = True) -> tuple[int, bool]:
    """The tokens of the prompt, and whether it has a block."""
    model = ReportingModel([[assistant_message("Well.")]])
    run_filter = session.input_filter() if has_filter else None
    config = RunConfig(call_model_input_filter=run_filter)
    await Runner.run(Agent("a", model=model), text, session=session, run_config=config)
    [call] = model.calls
    return model.prompts[0], "<conversation_record>" in str(call.input)


async def test_a_block_is_no_overhead_and_the_whole_prompt_is_within_its_budget(database):
    session = await told_session(database)
    prompts = [await run(session) for _ in range(4)]
    assert session.overhead_tokens == TOOLS
    assert all(has_block for _, has_block in prompts)
    assert max(size for size, _ in prompts[1:]) <= MAX_TOKENS


async def test_a_run_without_the_filter_is_observed_as_it_is(database):
    session = await told_session(database)
    assert (await run(session))[1]
    for _ in range(3):
        assert not (await run(session, "And the other?", has_filter=False))[1]
        assert session.overhead_tokens == TOOLS


@pytest.mark.parametrize("order", [1, -1])
async def test_concurrent_runs_of_one_session_object_are_told_apart(database, order):
    session = await told_session(database)
    texts = [QUESTION, "Thanks a lot!", "Thank you.", "And the stripes of a quagga?"]
    await run(session)  # now the overhead is known: the filter cuts where the view does
    for _ in range(3):
        await asyncio.gather(*(run(session, text) for text in texts[::order]))
        assert session.overhead_tokens == TOOLS


async def test_a_message_of_an_earlier_run_may_be_the_newest_one(database):
    session = await told_session(database)
    await session.add_items([user(QUESTION)])
    model = ReportingModel([[assistant_message("Well.")]])
    config = RunConfig(call_model_input_filter=session.input_filter())
    await Runner.run(Agent("a", model=model), [], session=session, run_config=config)
    assert "<conversation_record>" in str(model.calls[0].input)
    assert session.overhead_tokens == TOOLS
