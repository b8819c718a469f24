"""``explain(at_seq)`` agrees with what the model received when it wrote that item."""

from __future__ import annotations

import pytest
from agents import Agent, Runner
from agents.testing import ScriptedModel, function_call

from mongo_sessions import CannotExplain, MongoSessionStore, SummarizeOlder, TokenLimit
from tests.sdk.test_runner import call, say, short, weather
from tests.support.reporting import ReportingModel
from tests.support.scribes import Scribe, tokens, turns

ITEM_TOKENS = 60

POLICIES = {
    "none": lambda: None,
    "TokenLimit": lambda: TokenLimit(700),
    "TokenLimit, whole prompt": lambda: TokenLimit(1_500, whole_prompt=True),
    "SummarizeOlder": lambda: SummarizeOlder(Scribe(), max_tokens=1_000),
    "SummarizeOlder, in the foreground": lambda: SummarizeOlder(
        Scribe(), max_tokens=1_000, background=False
    ),
}


def store_of(database, policy=None) -> MongoSessionStore:
    return MongoSessionStore(database, token_counter=lambda item: ITEM_TOKENS, policy=policy)


async def run(agent, text, session, *, is_streamed):
    if not is_streamed:
        await Runner.run(agent, text, session=session)
        return
    async for _ in Runner.run_streamed(agent, text, session=session).stream_events():
        pass


def script_of(turns: int) -> list:
    """Each turn: one call, two calls at once, and an answer."""
    return [
        step
        for n in range(turns)
        for step in (
            call("weather", f"{n}a", city="Oslo"),
            [
                function_call("weather", {"city": city}, call_id=f"{n}{city}")
                for city in ("Rome", "Bern")
            ],
            say(f"answer {n}"),
        )
    ]


async def conversation(database, policy, *, is_streamed):
    """A conversation of 5 turns with three model calls each; the session, and the model."""
    store = store_of(database, policy)
    model = ScriptedModel(script_of(5))
    agent = Agent("assistant", model=model, tools=[weather])
    for n in range(5):
        session = store.session("a")
        await run(agent, f"question {n}", session, is_streamed=is_streamed)
        await session.flush()
    return store.session("a"), model


async def written(session) -> list[list[int]]:
    """The seqs of the items that the model wrote, in groups: one for each of its calls."""
    calls, is_new = [], True
    async for entry in session.entries():
        kind = entry.item.get("type", "message")
        from_model = kind == "function_call" or entry.item.get("role") == "assistant"
        if from_model and is_new:
            calls.append([])
        if from_model:
            calls[-1].append(entry.seq)
        is_new = not from_model
    return calls


async def prompt_at(session, seq: int):
    """The reconstructed items, and the explanation."""
    explainer = await session._explainer()
    prompt = await explainer.prompts.of(await explainer._receipt(seq))
    return [part.item for part in prompt.parts], await session.explain(at_seq=seq)


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("name", POLICIES)
async def test_each_prompt_of_a_long_conversation(database, name, is_streamed):
    session, model = await conversation(database, POLICIES[name](), is_streamed=is_streamed)
    groups = await written(session)
    assert len(groups) == len(model.calls) == 15
    previous = None
    for received, group in zip(model.calls, groups, strict=True):
        for seq in group:
            items, explained = await prompt_at(session, seq)
            assert short(items) == short(received.input)
            assert explained.items == len(received.input)
            assert explained.tokens == ITEM_TOKENS * len(received.input)
            assert explained.notes == ()
            assert explained.at_seq == seq
            assert explained.stored.items == group[0] - 1
        if previous is not None:
            same = 0
            while short(previous)[same : same + 1] == short(received.input)[same : same + 1]:
                same += 1
                if same in (len(previous), len(received.input)):
                    break
            assert explained.prefix.items == same
            assert explained.prefix.share == same / len(received.input)
        previous = received.input
    folds = {(await session.explain(at_seq=group[0])).summary.items for group in groups}
    assert folds == ({0, 1} if "Summarize" in name else {0})


async def test_the_usage_of_each_call_is_that_of_the_provider(database):
    policy = TokenLimit(2_000, whole_prompt=True)
    session = MongoSessionStore(database, token_counter=tokens, policy=policy).session("a")
    agent = Agent("assistant", model=ReportingModel([say("one"), say("two")], tools=300))
    for text in ("first", "second"):
        await Runner.run(agent, text, session=session)
    first, second = [await session.explain(at_seq=seq) for seq in (2, 4)]
    assert first.usage.input_tokens == first.tokens + 300
    assert second.usage.input_tokens == second.tokens + 300
    assert second.overhead == 300
    assert first.overhead == 0
    assert first.prefix is None
    now = await session.explain()
    assert now.usage == second.usage
    assert now.prefix.items == second.items
    assert now.prefix.items == 3
    assert now.prefix.share == second.tokens / now.tokens
    assert "as in the call that wrote item 4" in " ".join(str(now).split())


async def test_an_item_that_no_model_wrote_is_refused_by_name(database):
    session, _ = await conversation(database, None, is_streamed=False)
    with pytest.raises(CannotExplain, match="item 1 in session 'a' is a user message"):
        await session.explain(at_seq=1)
    with pytest.raises(CannotExplain, match="item 3 in session 'a' is the output of a tool"):
        await session.explain(at_seq=3)
    with pytest.raises(ValueError, match="at_seq must be at most 9223372036854775807, got 1180"):
        await session.explain(at_seq=2**70)
    with pytest.raises(CannotExplain, match="there is no item 1000 in session 'a'"):
        await session.explain(at_seq=1_000)
    for wrong in (0, -1):
        with pytest.raises(ValueError, match=f"at_seq must be at least 1, got {wrong}"):
            await session.explain(at_seq=wrong)
    with pytest.raises(TypeError, match="at_seq"):
        await session.explain(at_seq="2")


async def test_an_item_that_was_added_without_a_run_has_no_receipt(database):
    session = store_of(database).session("a")
    await session.add_items(turns(1, 2))
    with pytest.raises(CannotExplain, match="item 2 in session 'a' has no receipt"):
        await session.explain(at_seq=2)


async def test_a_popped_item_is_gone_from_the_explanation_and_its_own_is_refused(database):
    session, _ = await conversation(database, None, is_streamed=False)
    groups = await written(session)
    last = groups[-1][-1]
    await session.pop_item()
    with pytest.raises(CannotExplain, match=f"there is no item {last}"):
        await session.explain(at_seq=last)
    assert (await session.explain(at_seq=groups[-2][0])).items


async def test_a_forgotten_summary_cannot_be_shown(database):
    policy = POLICIES["SummarizeOlder"]()
    session, _ = await conversation(database, policy, is_streamed=False)
    last = (await written(session))[-1][-1]
    await session.forget_summary()
    with pytest.raises(CannotExplain, match=f"the prompt of item {last}"):
        await session.explain(at_seq=last)


async def test_another_policy_than_at_that_time_is_noted(database):
    session, model = await conversation(database, TokenLimit(700), is_streamed=False)
    last = (await written(session))[-1][-1]
    session.policy = TokenLimit(100_000)
    items, explained = await prompt_at(session, last)
    assert short(items) == short(model.calls[-1].input)
    assert "was changed" in explained.notes[0]
