"""``explain()`` agrees with ``get_items()`` on the same state, for every policy."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mongo_sessions import MongoSessionStore, TokenLimit, TrimToolOutputs
from mongo_sessions.policies import Added, FoldPhase, view_of
from tests.support.conversations import conversation
from tests.support.examples import examples
from tests.support.folding import raw, summarised_session
from tests.support.policies import POLICIES
from tests.support.scribes import tokens, turns

WRITES = {"insert", "update", "delete", "findAndModify", "commitTransaction"}


async def fold_all(session):
    """Otherwise the next read may fold: it shows more than was explained."""
    while (fold := (await session.explain()).fold) and fold.phase is FoldPhase.DUE:
        policy = getattr(session.policy, "policy", session.policy)
        await policy.fold(await session._history())


@pytest.mark.parametrize("name", POLICIES)
@settings(max_examples=examples(2), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), turns=st.integers(0, 30), broken=st.integers(0, 3))
async def test_every_policy_over_random_histories(database, name, seed, turns, broken):
    store = MongoSessionStore(database, token_counter=tokens, policy=POLICIES[name]())
    session = store.session(uuid.uuid4().hex)
    items = conversation(seed, turns, broken, late=0.2)
    for start in range(0, len(items), 40):
        await session.add_items(items[start : start + 40])
        await session.flush()
    await fold_all(session)
    explained = await session.explain()
    again = await session.explain()
    assert again == explained
    shown = await session.get_items()
    found = [entry async for entry in session.entries()]
    assert explained.items == len(shown)
    assert explained.tokens == sum(map(tokens, shown))
    assert explained.by_kind.total == explained.tokens
    assert (explained.stored.items, explained.stored.tokens) == (
        len(found),
        sum(entry.tokens for entry in found),
    )
    assert (explained.summary.items, explained.cut is None) == (
        sum(str(item.get("content")).startswith("<conversation_summary>") for item in shown),
        explained.verbatim.items == 0,
    )
    if explained.cut is not None:
        items_from_cut = [entry.item for entry in found if entry.seq >= explained.cut.seq]
        assert items_from_cut[0] in shown
    await store.close()


@pytest.mark.parametrize("limit", [0, 1, 3, 1_000])
async def test_the_limit_of_the_settings(database, limit):
    store = MongoSessionStore(database, token_counter=tokens)
    session = store.session("a", session_settings={"limit": limit})
    await session.add_items(turns(1, 4))
    explained = await session.explain()
    assert explained.items == len(await session.get_items()) == min(limit, 8)
    assert explained.left_out.items == 8 - explained.items
    assert explained.limit == limit


async def test_a_removed_item_and_a_barrier_are_counted_nowhere(any_database):
    session = MongoSessionStore(any_database, token_counter=tokens).session("a")
    await session.add_items(turns(1, 4))
    await session.clear_session()
    assert (await session.explain()).stored.items == 0
    await session.add_items(turns(5, 6))
    await session.pop_item()
    explained = await session.explain()
    assert (explained.stored.items, explained.stored.tokens) == (3, 150)
    assert explained.verbatim == explained.shown == explained.stored


async def test_summarised_left_out_and_shown_add_up_to_the_session(database):
    session = await summarised_session(database)
    await session.add_items(turns(9, 30))
    explained = await session.explain()
    documents = await raw(database)
    assert explained.covered.items == 6
    assert explained.left_out.items > 0
    assert explained.shown.items == explained.verbatim.items
    assert explained.stored.items == len(documents) == 60
    assert explained.summary_shown is not None
    assert explained.summary_shown.anchor_seq == 6
    [segment] = explained.summary_shown.segments
    assert (segment.first_seq, segment.last_seq, segment.rewrites) == (1, 6, 0)
    assert segment.first_at is not None


@pytest.mark.parametrize("name", POLICIES)
async def test_nothing_is_written_and_no_summariser_asked(database, sent, name):
    policy = POLICIES[name]()
    store = MongoSessionStore(database, token_counter=tokens, policy=policy)
    await MongoSessionStore(database, token_counter=tokens).session("a").add_items(turns(1, 20))
    session = store.session("a")
    await session.explain()
    asked = getattr(policy, "summarizer", None)
    before, state = await raw(database), dict(vars(session._state))
    sent.clear()
    await session.explain()
    await session.summary()
    assert not WRITES & set(sent.names)
    assert await raw(database) == before
    assert vars(session._state) == state
    assert not store._connections.state.first_chunks._sizes
    assert not getattr(asked, "requests", [])
    assert not any("claim" in document for document in before)


async def test_every_command_of_an_explanation_names_the_session(database, sent):
    session = await summarised_session(database)
    await session.explain()
    sent.clear()
    await session.explain()
    reads = [e.command for e in sent.started_events if e.command_name in ("find", "aggregate")]
    queries = [read.get("filter") or read["pipeline"][0]["$match"] for read in reads]
    assert [query["session_id"] for query in queries] == ["a"] * len(reads)
    assert len(reads) <= 12


async def test_items_that_another_worker_adds_meanwhile_are_in_no_part(database, monkeypatch):
    session = MongoSessionStore(database, policy=TokenLimit(5_000), token_counter=tokens).session(
        "a"
    )
    other = MongoSessionStore(database, token_counter=tokens).session("a")
    await session.add_items(turns(1, 3))

    class Late(TokenLimit):
        async def view(self, history):
            await other.add_items(turns(9, 9))
            return await super().view(history)

    session.policy = Late(5_000)
    explained = await session.explain()
    assert explained.items == explained.stored.items == 6


async def test_an_item_that_is_popped_meanwhile_is_in_no_part(database):
    session = MongoSessionStore(database, token_counter=tokens).session("a")
    other = MongoSessionStore(database, token_counter=tokens).session("a")
    await session.add_items(turns(1, 3))
    pops = 1

    class Popped(TokenLimit):
        async def view(self, history):
            nonlocal pops
            view = await super().view(history)
            if pops:
                pops -= 1
                await other.pop_item()
            return view

    session.policy = Popped(5_000)
    explained = await session.explain()
    assert explained.items == explained.stored.items == 5


async def test_a_store_without_token_counts_says_so(any_database):
    session = MongoSessionStore(any_database, token_counter=None).session("a")
    await session.add_items(turns(1, 3))
    explained = await session.explain()
    assert (explained.items, explained.tokens, explained.has_token_counts) == (6, 0, False)
    assert "counts no tokens" in str(explained)


async def test_items_that_were_stored_without_counts_are_counted_in_the_prompt_only(database):
    """The stored counts are what a budget is computed from: they are shown as they are."""
    await MongoSessionStore(database, token_counter=None).session("a").add_items(turns(1, 2))
    store = MongoSessionStore(database, token_counter=tokens)
    await store.session("a").add_items(turns(3, 4))
    explained = await store.session("a").explain()
    assert (explained.items, explained.tokens) == (8, 400)
    assert (explained.stored.items, explained.stored.tokens) == (8, 200)
    assert (explained.covered.items, explained.left_out.items) == (0, 0)
    assert (explained.covered.tokens, explained.left_out.tokens) == (0, 0)


async def test_a_shortened_output_is_counted_as_it_is_shown(database):
    policy = TrimToolOutputs(TokenLimit(5_000), max_tokens=50, keep_turns=1, block_turns=1)
    session = MongoSessionStore(database, token_counter=tokens, policy=policy).session("a")
    call = {"type": "function_call", "call_id": "1", "name": "x", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "1", "output": "word " * 500}
    await session.add_items([*turns(1, 1), call, output, *turns(2, 6)])
    explained = await session.explain()
    shown = await session.get_items()
    assert (explained.trimmed.items, explained.trimmed_from) == (1, 500)
    assert explained.trimmed.tokens == tokens(shown[3]) <= 50
    assert explained.tokens == sum(map(tokens, shown))
    assert explained.shown.tokens == explained.stored.tokens == 600 + 1 + 500
    assert "(of 500 stored)" in str(explained)


async def test_items_of_each_kind(database):
    items = [
        {"role": "developer", "content": "one"},
        {"role": "user", "content": "one two"},
        {"type": "reasoning", "id": "r", "summary": [], "content": "one two three"},
        {"type": "function_call", "call_id": "1", "name": "x", "arguments": "a b c d"},
        {"type": "function_call_output", "call_id": "1", "output": "a b c d e"},
        {"type": "web_search_call", "id": "w", "content": "a b c d e f"},
        {"type": "message", "role": "assistant", "content": "a b c d e f g"},
        {"type": "compaction", "content": "a b c d e f g h"},
    ]
    session = MongoSessionStore(database, token_counter=tokens).session("a")
    await session.add_items(items)
    kinds = (await session.explain()).by_kind
    assert (kinds.instructions, kinds.user, kinds.reasoning) == (1, 2, 3)
    assert (kinds.tool_calls, kinds.tool_outputs, kinds.assistant, kinds.other) == (10, 5, 7, 8)


async def test_a_view_of_the_log_and_the_explained_one_have_the_same_parts(database):
    """The seam itself: the view that is explained is the one that is shown."""
    session = await summarised_session(database)
    history = await session._history()
    view = await view_of(session.policy, history)
    explained = await session.explain()
    assert [part.kind for part in view.parts if isinstance(part, Added)] == ["summary"]
    assert explained.summary_shown.tokens == tokens(view.items[0])
