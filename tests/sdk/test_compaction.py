"""The SDK's compaction session over ours: it replaces what it compacted, in one atomic step."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest
from agents import Agent, Runner
from agents.extensions.memory import EncryptedSession
from agents.memory import (
    OpenAIResponsesCompactionSession,
    SessionSettings,
    SQLiteSession,
    openai_responses_compaction_session,
)
from agents.memory.session import _CompactionSnapshot
from agents.testing import ScriptedModel, assistant_message
from openai.types.responses.compacted_response import CompactedResponse
from pymongo.errors import OperationFailure

from mongo_sessions import MongoSession, MongoSessionStore, TokenLimit
from mongo_sessions.session.compaction import CompactionSnapshot
from tests.support.faults import failing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

COMPACTED = {"type": "compaction", "id": "c1", "encrypted_content": "opaque"}


def user(text: str) -> dict:
    return {"role": "user", "content": text}


ITEMS = [user(str(n)) for n in range(6)]


class Compactions:
    """Stands in for the OpenAI client: answers responses.compact, and calls no model."""

    def __init__(self, meanwhile: Callable[[], Awaitable[Any]] | None = None) -> None:
        self.responses = self
        self.inputs: list[list] = []
        self._meanwhile = meanwhile

    async def compact(self, *, model: str, input: list) -> CompactedResponse:  # noqa: A002
        self.inputs.append(input)
        if self._meanwhile is not None:
            await self._meanwhile()
        return CompactedResponse.model_construct(output=[COMPACTED])


def compacting(session: Any, client: Compactions, *, from_items: int = 1, **options: Any) -> Any:
    return OpenAIResponsesCompactionSession(
        session.session_id,
        session,
        client=client,
        compaction_mode="input",
        should_trigger_compaction=lambda seen: len(seen["session_items"]) >= from_items,
        **options,
    )


async def talk(session: Any, *texts: str) -> None:
    model = ScriptedModel([[assistant_message(f"re: {text}")] for text in texts])
    for text in texts:
        await Runner.run(Agent("assistant", model=model), text, session=session)


def kinds(items: list) -> list:
    return [item.get("content") if item.get("role") == "user" else item["type"] for item in items]


async def test_an_item_of_another_worker_is_not_lost(store):
    other = store.session("a")
    client = Compactions(lambda: other.add_items([user("from another")]))
    await talk(compacting(store.session("a"), client), "one")
    assert len(client.inputs) == 1
    assert kinds(await other.get_items()) == ["one", "message", "from another"]


async def test_an_item_popped_during_compaction_stays_popped(store):
    other = store.session("a")
    client = Compactions(other.pop_item)
    await talk(compacting(store.session("a"), client), "one")
    assert kinds(await other.get_items()) == ["one"]


async def test_no_read_sees_an_empty_history(database, store):
    client = Compactions()
    session = store.session("a")
    seen = []
    done = asyncio.Event()

    async def read() -> None:
        while not done.is_set():
            seen.append(len(await store.session("a").get_items()))
            await asyncio.sleep(0)

    await session.add_items(ITEMS)
    reading = asyncio.ensure_future(read())
    slow = {"blockConnection": True, "blockTimeMS": 30}
    async with failing(database, "insert", "update", times="alwaysOn", **slow):
        await talk(compacting(session, client), "one", "two")
        await compacting(session, client).run_compaction(
            {"force": True, "compaction_mode": "input"}
        )
        done.set()
        await reading
    assert len(client.inputs) == 3
    assert min(seen) >= 1
    assert [item["type"] for item in await session.get_items()] == ["compaction"]


@pytest.mark.parametrize("is_automatic", [True, False])
async def test_a_failure_in_the_middle_leaves_the_conversation(database, store, is_automatic):
    """As when the process dies: what comes next fails, and so does every attempt to repair it."""
    session = store.session("a")
    writes = "insert", "update", "delete", "findAndModify", "commitTransaction"
    faults = [failing(database, *writes, times="alwaysOn", errorCode=13)]
    deleting = session.clear_session

    async def clear_then_fail() -> None:
        await deleting()
        await faults[0].__aenter__()

    async def fail() -> None:
        if hasattr(type(session), "_get_compaction_snapshot"):
            await faults[0].__aenter__()
        else:  # without a replacement, it would fail before it clears
            session.clear_session = clear_then_fail

    client = Compactions(fail)
    wrapped = compacting(session, client)
    await session.add_items(ITEMS)
    try:
        if is_automatic:
            with pytest.raises(OperationFailure):
                await talk(wrapped, "one")
        else:
            with pytest.raises(OperationFailure):
                await wrapped.run_compaction({"force": True, "compaction_mode": "input"})
    finally:
        await faults[0].__aexit__(None, None, None)
    assert len(client.inputs) == 1
    stored = kinds(await store.session("a").get_items())
    assert stored == [item["content"] for item in ITEMS] + ["one", "message"] * is_automatic


@pytest.mark.parametrize("how", ["a limit", "a policy"])
async def test_a_limited_view_is_compacted_and_older_items_stay(database, how):
    store = MongoSessionStore(database, token_counter=lambda item: 10)
    if how == "a limit":
        session = store.session("a", session_settings=SessionSettings(limit=4))
    else:
        session = store.session("a", policy=TokenLimit(40))
    await session.add_items(ITEMS)
    client = Compactions()
    await talk(compacting(session, client), "one")
    assert len(client.inputs) == 1, "it compacts"
    stored = kinds([entry.item async for entry in session.entries()])
    assert stored[:2] == ["0", "1"], "items outside of the view stay"
    assert stored[-1] == "compaction"
    assert len(stored) < len(ITEMS)


async def test_a_rollback_budget_does_not_fail_a_run(store):
    session = store.session("a")
    client = Compactions()
    await talk(compacting(session, client, max_rollback_items=1), "one", "two")
    assert len(client.inputs) == 2
    assert kinds(await session.get_items()) == ["compaction"]


async def test_encrypted_and_compacted(store):
    key = "the key of a test, and of nothing else"
    session, client = store.session("a"), Compactions()
    encrypted = EncryptedSession("a", compacting(session, client, from_items=4), key)
    await talk(encrypted, "one", "two", "three")
    assert len(client.inputs) == 1
    assert kinds(await encrypted.get_items()) == ["compaction", "three", "message"]
    assert all(item["__enc__"] == 1 for item in await session.get_items(limit=10))


async def test_a_snapshot_is_the_raw_end_and_replaces_it_once(database):
    session = MongoSessionStore(database, policy=TokenLimit(1)).session("a")
    await session.add_items(ITEMS)
    for limit, complete in ((3, False), (5, False), (6, True), (7, True)):
        snapshot = await session._get_compaction_snapshot(limit)
        assert snapshot.items == ITEMS[-limit:]
        assert snapshot.complete is complete
    snapshot = await session._get_compaction_snapshot(4)
    assert not await snapshot.replace_suffix(4, [COMPACTED]), "nothing to replace"
    assert await snapshot.replace_suffix(1, [COMPACTED])
    assert not await snapshot.replace_suffix(1, [COMPACTED])
    assert await session.get_items(limit=9) == [*ITEMS[:3], COMPACTED]
    snapshot = await session._get_compaction_snapshot(2)
    assert await snapshot.replace_suffix(0, [])
    assert await session.get_items(limit=9) == ITEMS[:2]
    await session.add_items(ITEMS[3:4])
    assert [entry.seq async for entry in session.entries()] == [1, 2, 8]


async def pop_and_append(session: MongoSession) -> None:
    await session.pop_item()
    await session.add_items(ITEMS[-1:])


CHANGES = {
    "append": lambda session: session.add_items(ITEMS[:1]),
    "pop": lambda session: session.pop_item(),
    "clear": lambda session: session.clear_session(),
    "pop and append": pop_and_append,
    "replace": lambda session: session._atomic_replace_items([COMPACTED]),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("when", ["before", "during"])
async def test_only_the_unchanged_end_of_a_snapshot_is_replaced(
    database, store, sent, change, when
):
    """During: another worker's write takes place while the transaction holds what it has read."""
    session, other = store.session("a"), MongoSessionStore(database).session("a")
    await session.add_items(ITEMS)
    assert len(await other.get_items()) == 6
    snapshot = await session._get_compaction_snapshot(3)
    if when == "before":
        await CHANGES[change](other)
        before = await other.get_items()
        assert not await snapshot.replace_suffix(0, [COMPACTED])
        assert await other.get_items() == before
        return
    inserting = sent.expect("insert")
    slow = {"blockConnection": True, "blockTimeMS": 100}
    async with failing(database, "insert", **slow):
        replacing = asyncio.ensure_future(snapshot.replace_suffix(0, [COMPACTED]))
        await inserting.wait()
        await CHANGES[change](other)
    is_replaced = await replacing
    after = await other.get_items()
    expected = {
        "append": {True: [*ITEMS[:3], COMPACTED, *ITEMS[:1]], False: [*ITEMS, *ITEMS[:1]]},
        "pop": {True: ITEMS[:3], False: ITEMS[:5]},
        "clear": {True: [], False: []},
        "pop and append": {True: [*ITEMS[:3], ITEMS[-1]], False: ITEMS},
        "replace": {True: [COMPACTED], False: [COMPACTED]},
    }
    assert after == expected[change][is_replaced]


async def test_a_clear_during_a_replacement_behind_a_popped_item_clears_both(store, sent, database):
    """The newest place is not replaced."""
    session, other = store.session("a"), MongoSessionStore(database).session("a")
    await session.add_items(ITEMS)
    await other.pop_item()
    snapshot = await session._get_compaction_snapshot(3)
    inserting = sent.expect("insert")
    async with failing(database, "insert", blockConnection=True, blockTimeMS=100):
        replacing = asyncio.ensure_future(snapshot.replace_suffix(0, [COMPACTED]))
        await inserting.wait()
        await other.clear_session()
    await replacing
    assert await other.get_items() == []


async def test_items_named_by_a_pruner_are_removed_in_the_same_transaction(store):
    session = store.session("a")
    await session.add_items(ITEMS)

    def is_expired(item: dict) -> bool:
        return item["content"] in ("0", "1", "3")

    snapshot = await session._get_compaction_snapshot(2, prune_prefix=is_expired)
    assert await snapshot.replace_suffix(0, [COMPACTED])
    assert await session.get_items() == [*ITEMS[2:4], COMPACTED]
    (info,) = await store.list_sessions()
    assert info.items == 3


async def test_a_summary_is_removed_with_its_replaced_item(store):
    session = store.session("a")
    await session.add_items(ITEMS)
    history = await session._history()
    newest = await anext(aiter(history.newest_first()))
    assert await history.save_summary(newest, {"text": "…"})
    snapshot = await session._get_compaction_snapshot(1)
    assert await snapshot.replace_suffix(0, [COMPACTED])
    assert await history.latest_summary() is None
    assert not await history.claim(newest, 60)


@pytest.mark.parametrize("overridden", ["get_items", "add_items"])
async def test_a_subclass_with_overridden_methods_is_cleared_and_filled(database, overridden):
    async def own(self: MongoSession, *arguments: Any) -> Any:
        return await getattr(MongoSession, overridden)(self, *arguments)

    session = MongoSessionStore(database).session("a")
    session.__class__ = type("Own", (MongoSession,), {overridden: own})
    await session.add_items(ITEMS)
    assert await session._get_compaction_snapshot(3) is None
    assert not await session._atomic_replace_items([COMPACTED])
    assert await session.get_items() == ITEMS


async def test_a_standalone_server_has_no_replacement(any_database, backend):
    session = MongoSessionStore(any_database).session("a")
    await session.add_items(ITEMS)
    has_one = "replicaSet" in backend[1]
    assert (await session._get_compaction_snapshot(3) is not None) is has_one
    assert await session._atomic_replace_items([COMPACTED]) is has_one
    assert await session.get_items() == ([COMPACTED] if has_one else ITEMS)


def test_the_sdk_looks_for_these_names():
    source = inspect.getsource(openai_responses_compaction_session)
    assert '"_get_compaction_snapshot"' in source
    assert '"_atomic_replace_items"' in source
    theirs = inspect.signature(SQLiteSession._get_compaction_snapshot).parameters
    ours = inspect.signature(MongoSession._get_compaction_snapshot).parameters
    assert [(p.name, p.kind, p.default) for p in theirs.values()] == [
        (p.name, p.kind, p.default) for p in ours.values()
    ]
    names = [field.name for field in fields(_CompactionSnapshot)]
    assert [field.name for field in fields(CompactionSnapshot)] == names
