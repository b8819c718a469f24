"""The state of the next fold in an explanation."""

from __future__ import annotations

import asyncio

from mongo_sessions import MongoSessionStore, SummarizeOlder, TokenLimit
from mongo_sessions.policies import FoldPhase, ListHistory, SummaryError
from tests.support.folding import let_claims_expire, policy_of, store_of
from tests.support.scribes import BadScribe, HeldScribe, Scribe, answer, tokens, turns, user


async def test_a_fold_that_is_not_due_says_how_many_tokens_are_missing(database):
    session = store_of(database, Scribe()).session("a")
    assert (await session.explain()).fold.due_in_tokens == 2 * 279
    await session.add_items(turns(1, 5))
    fold = (await session.explain()).fold
    assert (fold.phase, fold.due_in_tokens) == (FoldPhase.NOT_DUE, 58)
    assert "due in 58 tokens" in str(await session.explain())


async def test_a_due_fold_names_its_block(database):
    await MongoSessionStore(database, token_counter=tokens).session("a").add_items(turns(1, 6))
    fold = (await store_of(database, Scribe()).session("a").explain()).fold
    assert fold.phase is FoldPhase.DUE
    assert (fold.first_seq, fold.last_seq, fold.tokens) == (1, 6, 300)
    assert (fold.until, fold.failures, fold.reason) == (None, 0, None)


async def test_a_fold_that_waits_for_a_cut_says_so(database):
    call = {"type": "function_call", "call_id": "1", "name": "x", "arguments": "w " * 10}
    output = {"type": "function_call_output", "call_id": "1", "output": "w " * 600}
    session = store_of(database, Scribe()).session("a")
    await session.add_items([user(1), call, output])
    assert (await session.explain()).fold.phase is FoldPhase.NO_CUT


async def test_a_claimed_fold_tells_until_when_and_an_expired_claim_is_due(database):
    held = HeldScribe()
    session = store_of(database, held).session("a")
    await session.add_items(turns(1, 6))
    await asyncio.wait_for(held.asked.wait(), 20)
    fold = (await session.explain()).fold
    assert fold.phase is FoldPhase.CLAIMED
    assert fold.until is not None
    assert "claimed by a worker, until" in str(await session.explain())
    await let_claims_expire(database)
    fold = (await session.explain()).fold
    assert (fold.phase, fold.until) == (FoldPhase.DUE, None)
    held.may_go_on.set()
    await session.flush()


async def test_a_paused_fold_tells_why_the_last_attempt_failed(database):
    """Not with the words of a foreign error, which may hold text of the conversation."""
    scribe = BadScribe("raises")
    session = store_of(database, scribe).session("a")
    await session.add_items(turns(1, 6))
    await session.flush()
    explained = await session.explain()
    assert explained.fold.phase is FoldPhase.PAUSED
    assert explained.fold.failures == 1
    assert "the summariser raised RuntimeError" in explained.fold.reason
    assert "question" not in str(explained)
    await let_claims_expire(database)
    scribe.how = ""
    await session.add_items([user(7)])
    await session.flush()
    fold = (await session.explain()).fold
    assert (fold.failures, fold.reason) == (2, "the answer was empty")
    await let_claims_expire(database)
    fold = (await session.explain()).fold
    assert (fold.phase, fold.failures, fold.reason) == (FoldPhase.DUE, 2, "the answer was empty")
    scribe.how = "short and good"
    await session.add_items([answer(7)])
    await session.flush()
    assert (await session.explain()).fold.failures == 0


async def test_a_reason_that_looks_like_an_expression_of_the_server_is_stored_as_it_is(database):
    store = MongoSessionStore(database, token_counter=tokens)
    await store.session("a").add_items(turns(1, 6))
    history = await store.session("a")._history()
    anchor = [entry async for entry in history.oldest_first()][5]
    assert await history.claim(anchor, 60)
    await history.back_off(anchor, 60, "$item")
    explained = await store.session("a", policy=policy_of(Scribe())).explain()
    assert explained.fold.reason == "$item"


async def test_a_policy_without_folds_has_no_state(database):
    session = MongoSessionStore(database, policy=TokenLimit(100)).session("a")
    assert (await session.explain()).fold is None


async def test_the_reason_in_memory():
    async def fails(request) -> str:
        raise SummaryError("cut off")

    history = ListHistory(turns(1, 8), token_counter=tokens)
    policy = SummarizeOlder(fails, max_tokens=1_000)
    await policy.fold(history)
    state = await policy.fold_state(history)
    assert state.phase is FoldPhase.PAUSED
    assert "SummaryError" in state.reason
