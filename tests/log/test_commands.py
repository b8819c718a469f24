"""Commands on the wire: their number, their shard, and the documents that the server examines."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mongo_sessions import MongoSessionStore, SummarizeOlder, TiktokenCounter, TokenLimit
from mongo_sessions.log.server.deployment import Deployment
from tests.support.clients import both_at_night
from tests.support.filling import fill
from tests.support.scribes import BadScribe, Scribe, tokens, turns

if TYPE_CHECKING:
    from tests.support.faults import Commands

# Some 240 tokens a turn, as in a conversation that uses tools.
USER = {"role": "user", "content": "What is the weather in Lisbon? " * 4}
CALL = {"type": "function_call", "call_id": "1", "name": "weather", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "1", "output": "sunny, 21 degrees; " * 20}
ANSWER = {"role": "assistant", "content": "It is sunny in Lisbon. " * 10}
TURN = [[USER], [CALL, OUTPUT], [ANSWER]]


async def fill_with_turns(database: Any, number: int, session_id: str = "a") -> None:
    counter = TiktokenCounter()
    items = [item for batch in TURN for item in batch]
    costs = {id(item): counter(item) for item in items}
    await fill(database, items * number, lambda item: costs[id(item)], session_id)


async def test_a_turn_is_one_read_and_a_round_trip_per_item_or_transaction(store, sent):
    for session in (store.session("a"), store.session("a")):
        await session.get_items()
        sent.clear()
        await session.get_items()
        for batch in TURN:
            await session.add_items(batch)
        assert sent.names == ["find", "insert", "insert", "commitTransaction", "insert"]


async def test_the_first_read_of_a_store_waits_for_a_majority_and_no_other_does(store, sent):
    for _ in range(3):
        await store.session("a").get_items()
    finds = [event.command for event in sent.started_events if event.command_name == "find"]
    levels = [find["readConcern"]["level"] for find in finds if "session_id" in find["filter"]]
    assert levels == ["linearizable", "majority", "majority"]


async def test_a_pop_is_one_command_and_a_clear_three(store, sent):
    """One for the barrier, one for what is below it, one to say that there is nothing left."""
    session = store.session("a")
    await session.add_items([USER, ANSWER, USER])
    sent.clear()
    await session.pop_item()
    await session.get_items(limit=50)
    await session.clear_session()
    assert sent.names == ["findAndModify", "find", "findAndModify", "update", "update"]
    sent.clear()
    await session.clear_session()
    assert await session.pop_item() is None
    assert sent.names == ["findAndModify", "findAndModify"], "there is nothing to be removed"


async def test_an_append_without_a_known_head_reads_the_head_and_no_item(store, sent, database):
    await store.session("a").add_items([USER, ANSWER, USER])
    for _ in range(2):
        sent.clear()
        await store.session("a").add_items([USER])
        assert sent.names == ["find", "insert"]
        assert "item" not in sent.started_events[0].command["projection"]
    await store.session("a").pop_item()
    sent.clear()
    await store.session("a").add_items([USER])
    assert sent.names == ["find", "find", "insert"], "the totals are read below the mark"


async def test_removing_looks_at_no_more_than_the_newest_places(database, store, sent):
    await fill_with_turns(database, 2_500)
    session = store.session("a")
    await session.pop_item()
    sent.clear()
    await session.pop_item()
    (pop,) = sent.started_events
    command = {"findAndModify": pop.command["findAndModify"], "query": pop.command["query"]}
    command |= {"sort": pop.command["sort"], "remove": True}
    plan = await database.command({"explain": command, "verbosity": "executionStats"})
    assert plan["executionStats"]["totalDocsExamined"] == 3, "two marks, and the item below"
    await session.clear_session()
    sent.clear()
    assert await session.pop_item() is None
    assert await session.get_items() == []
    find = sent.started_events[1]
    command = {"find": "session_items", "filter": pop.command["query"], "sort": {"seq": -1}}
    plan = await database.command({"explain": {**command, "limit": 1}})
    assert "session_seq" in str(plan["queryPlanner"]["winningPlan"])
    assert plan["executionStats"]["totalDocsExamined"] == 1, "the barrier"
    assert find.command["filter"] == {"session_id": "a"}


async def test_a_read_of_a_thousand_items_is_one_round_trip(database, store, sent):
    await fill_with_turns(database, 250)
    await store.session("a").get_items(limit=1)
    sent.clear()
    assert len(await store.session("a").get_items()) == 1_000
    assert len(await store.session("a").get_items(limit=500)) == 500
    assert sent.names == ["find", "find"]


async def test_the_first_operation_of_a_store_looks_at_the_indexes_and_the_server(database, sent):
    for made in (["createIndexes"] * 3, []):
        store = MongoSessionStore(database)
        sent.clear()
        for session_id in ("a", "b"):
            await store.session(session_id).get_items()
        await store.ensure_indexes()
        assert sent.names == ["find", "listIndexes", *made, "hello", "find", "find"]


def session_ids(event: Any) -> list[Any]:
    """The session_id that each statement of a command asks for; None if it asks for none."""
    command = event.command
    match event.command_name:
        case "find":
            filters = [command["filter"]]
        case "findAndModify":
            filters = [command["query"]]
        case "update":
            filters = [statement["q"] for statement in command["updates"]]
        case "insert":
            filters = command["documents"]
        case "aggregate":
            filters = [command["pipeline"][0]["$match"]]
        case other:
            raise AssertionError(f"not a command that the store should send: {other}")
    return [query.get("session_id") for query in filters]


@pytest.fixture
def sharded(monkeypatch):
    """The deployment that a mongos would report; no wheel contains a mongos."""

    async def of(database: Any) -> Deployment:
        return Deployment(has_transactions=True)

    monkeypatch.setattr(Deployment, "of", of)


async def test_every_command_asks_for_one_session_so_one_shard_answers(
    database, sharded, store, sent
):
    await store.ensure_indexes()
    session = store.session("a", policy=TokenLimit(100))
    other = store.session("a")
    await session.get_items()
    sent.clear()
    for batch in TURN * 30:
        await session.add_items(batch)
    await other.add_items([USER])
    await session.add_items([USER, ANSWER])  # the head has moved: refused, and tried again
    await session.get_items()
    await session.get_items(limit=150)
    assert len([entry async for entry in session.entries(after_seq=3)]) > 100
    history = await session._history()
    newest = await anext(aiter(history.newest_first()))
    assert await history.claim(newest, 60)
    await history.back_off(newest, -1)
    assert await history.save_summary(newest, {"text": "…"})
    assert await history.latest_summary() == replace(newest, summary={"text": "…"})
    await session.pop_item()
    await store.delete_session("a")
    ends = ("commitTransaction", "abortTransaction")
    events = [event for event in sent.started_events if event.command_name not in ends]
    assert set(sent.names) >= {"find", "insert", "update", "findAndModify"}
    assert {session_id for event in events for session_id in session_ids(event)} == {"a"}


async def examined(database: Any, event: Any) -> int:
    """Documents that the server looks at for a find command."""
    fields = ("find", "filter", "sort", "skip", "limit", "projection")
    command = {field: event.command[field] for field in fields if field in event.command}
    plan = await database.command({"explain": command, "verbosity": "executionStats"})
    return plan["executionStats"]["totalDocsExamined"]


async def documents_examined(database: Any, sent: Commands, session: Any) -> int:
    await session.get_items()
    sent.clear()
    await session.get_items()
    finds = [event for event in sent.started_events if event.command_name == "find"]
    return sum([await examined(database, event) for event in finds])


@both_at_night
async def test_a_window_costs_the_same_in_a_session_of_100_000_items(database, sent):
    store = MongoSessionStore(database, policy=TokenLimit(8_000, block_tokens=2_000))
    await fill_with_turns(database, 50, session_id="200 items")
    await fill_with_turns(database, 25_000, session_id="100,000 items")
    assert await documents_examined(database, sent, store.session("200 items")) == 146
    assert await documents_examined(database, sent, store.session("100,000 items")) == 154
    assert sent.names.count("find") == 1


@both_at_night
async def test_a_summary_is_read_with_the_newest_items_in_one_round_trip(database, sent):
    policy = SummarizeOlder(Scribe(), max_tokens=4_000)
    await fill_with_turns(database, 20, session_id="80 items")
    await fill_with_turns(database, 250, session_id="1,000 items")
    store = MongoSessionStore(database, policy=policy)
    await store.fold_pending(policy)
    assert await documents_examined(database, sent, store.session("80 items")) == 49
    assert await documents_examined(database, sent, store.session("1,000 items")) == 57
    assert sent.names.count("find") == 1


async def test_the_first_read_with_a_new_policy_looks_once_for_a_summary(database, sent):
    """The query examines no more items than the view needs, in a session of any length."""
    await fill_with_turns(database, 2_500)
    session = MongoSessionStore(database, policy=SummarizeOlder(Scribe(), max_tokens=4_000))
    assert await documents_examined(database, sent, session.session("a")) == 77
    assert sent.names.count("find") == 2


async def test_a_write_without_a_due_fold_sends_one_command(database, sent):
    session = MongoSessionStore(database, policy=SummarizeOlder(Scribe())).session("a")
    await session.get_items()
    sent.clear()
    for batch in TURN:
        await session.add_items(batch)
        await session.flush()
    assert sent.names == ["insert", "insert", "commitTransaction", "insert"]


async def test_a_write_with_a_pending_fold_sends_one_more_query(database, sent, caplog):
    scribe = BadScribe("raises")
    policy = SummarizeOlder(scribe, max_tokens=1_000)
    session = MongoSessionStore(database, token_counter=tokens, policy=policy).session("a")
    await session.add_items(turns(1, 6))
    await session.flush()
    for number in range(7, 10):
        sent.clear()
        await session.add_items(turns(number, number)[:1])
        await session.flush()
        # The append, the newest summary, the block after it, and the claim, which is refused.
        assert sent.names == ["insert", "find", "find", "update"]
    assert len(scribe.requests) == 1


async def test_a_small_window_costs_one_round_trip_of_few_documents(database, sent):
    store = MongoSessionStore(database, policy=TokenLimit(4_000))
    await fill_with_turns(database, 50, session_id="200 items")
    await fill_with_turns(database, 2_500, session_id="10,000 items")
    assert await documents_examined(database, sent, store.session("200 items")) == 86
    assert await documents_examined(database, sent, store.session("10,000 items")) == 77
    assert sent.names.count("find") == 1


async def test_listing_looks_at_one_index_key_per_session(database, store, sent):
    for number in range(5):
        await fill_with_turns(database, 20, session_id=f"session {number}")
    await store.list_sessions()
    sent.clear()
    assert len(await store.list_sessions()) == 5
    aggregates = [event.command for event in sent.started_events]
    assert len(aggregates) == 2
    for command in aggregates:
        assert await keys_examined(database, command) <= 6


async def keys_examined(database: Any, command: Any) -> int:
    """Index keys that the server examines for an aggregate; it skips keys of equal prefix."""
    plain = {"aggregate": command["aggregate"], "pipeline": command["pipeline"], "cursor": {}}
    plan = await database.command({"explain": plain, "verbosity": "executionStats"})
    stages = plan["stages"][0]["$cursor"] if "stages" in plan else plan
    assert "DISTINCT_SCAN" in str(stages["queryPlanner"]["winningPlan"])
    return stages["executionStats"]["totalKeysExamined"]


async def test_the_search_for_due_folds_queries_only_long_sessions(database, sent):
    policy = SummarizeOlder(Scribe(), max_tokens=1_000)
    await fill_with_turns(database, 10, session_id="long")
    await fill_with_turns(database, 1, session_id="short")
    store = MongoSessionStore(database, policy=policy)
    assert await store.fold_pending(policy) > 1
    sent.clear()
    assert await store.fold_pending(policy) == 0
    assert sent.names == ["aggregate", "aggregate", "find", "aggregate"]
    assert sent.started_events[2].command["filter"]["session_id"] == "long"
    assert await examined(database, sent.started_events[2]) == 1


async def test_a_query_on_the_items_of_one_session_uses_the_index(database):
    """As the README has it."""
    await fill_with_turns(database, 50, session_id="other")
    await fill_with_turns(database, 5, session_id="user-123")
    query = {"session_id": "user-123", "item.name": "refund"}
    plan = await database.command({"explain": {"find": "session_items", "filter": query}})
    assert plan["queryPlanner"]["winningPlan"]["inputStage"]["indexName"] == "session_seq"
    assert plan["executionStats"]["totalDocsExamined"] == 20
