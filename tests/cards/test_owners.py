"""Owners: a session of another owner is refused by every method, and nothing is written."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from agents import Agent, RunConfig, Runner
from agents.testing import ScriptedModel, assistant_message
from agents.tool_context import ToolContext

from mongo_sessions import (
    LastTurns,
    MongoSession,
    MongoSessionStore,
    Recall,
    TokenLimit,
    WrongOwner,
    read_tool,
    search_tool,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

USER: Any = {"role": "user", "content": "hello"}


async def entries(session: MongoSession) -> None:
    async for _ in session.entries():
        pass


async def call(tool: Any, **arguments: Any) -> None:
    text = json.dumps(arguments)
    context = ToolContext(None, tool_name=tool.name, tool_call_id="c", tool_arguments=text)
    await tool.on_invoke_tool(context, text)


USES: dict[str, Callable[[MongoSession], Awaitable[object]]] = {
    "get_items": lambda session: session.get_items(),
    "get_items_with_limit": lambda session: session.get_items(1),
    "add_items": lambda session: session.add_items([USER]),
    "pop_item": lambda session: session.pop_item(),
    "clear_session": lambda session: session.clear_session(),
    "entries": entries,
    "card": lambda session: session.card(),
    "update_card": lambda session: session.update_card(title="mine"),
    "search": lambda session: session.search("hello"),
    "explain": lambda session: session.explain(),
    "explain_at": lambda session: session.explain(at_seq=1),
    "summary": lambda session: session.summary(),
    "forget_summary": lambda session: session.forget_summary(),
    "pinned": lambda session: session.pinned(),
    "unpin": lambda session: session.unpin(1),
    "_get_compaction_snapshot": lambda session: session._get_compaction_snapshot(5),
    "_atomic_replace_items": lambda session: session._atomic_replace_items([USER]),
    "rewind": lambda session: session.rewind(1),
    "fork": lambda session: session.fork("copy"),
    "redact": lambda session: session.redact(1),
    "page": lambda session: session.page(),
    "watch": lambda session: anext(session.watch()),
    "turn": lambda session: session.turn().__aenter__(),
    "search_tool": lambda session: call(search_tool(session), query="hello"),
    "read_tool": lambda session: call(read_tool(session), from_seq=1, to_seq=None),
    "input_filter": lambda session: Runner.run(
        Agent("a", model=ScriptedModel([[assistant_message("answer")]])),
        "hello",
        run_config=RunConfig(call_model_input_filter=session.input_filter()),
    ),
    "run": lambda session: Runner.run(
        Agent("a", model=ScriptedModel([[assistant_message("answer")]])), "hello", session=session
    ),
}

# They touch no item and no card of a session.
HARMLESS = {"flush", "close", "from_uri", "pin"}


async def everything(database: Any) -> list[Any]:
    names = ("session_items", "session_items_cards")
    return [await database[name].find().sort("_id").to_list(None) for name in names]


def test_every_method_is_among_them():
    named = {"input_filter", *USES, *HARMLESS}
    public = {name for name in dir(MongoSession) if not name.startswith("_")}
    methods = {name for name in public if callable(getattr(MongoSession, name))}
    assert methods <= named


@pytest.mark.parametrize("policy", [None, Recall(TokenLimit(1_000))])
@pytest.mark.parametrize("use", USES)
async def test_a_session_of_another_owner_is_refused(database, use, policy):
    if use == "input_filter" and policy is None:
        policy = Recall(LastTurns(1))
    store = MongoSessionStore(database)
    mine = store.session("a", owner="u1")
    await mine.add_items([USER] * 3)
    await mine.flush()
    before = await everything(database)
    with pytest.raises(WrongOwner, match="session 'a' belongs to another owner") as raised:
        await USES[use](store.session("a", owner="u2", policy=policy))
    assert "u1" not in str(raised.value)
    await store.close()
    assert await everything(database) == before


async def test_pin_is_refused(database):
    from mongo_sessions import SummarizeOlder  # noqa: PLC0415

    async def summarize(_: object) -> str:
        return "summary"

    store = MongoSessionStore(database, policy=SummarizeOlder(summarize))
    await store.session("a", owner="u1").add_items([USER])
    before = await everything(database)
    with pytest.raises(WrongOwner):
        await store.session("a", owner="u2").pin(1)
    assert await everything(database) == before


async def test_a_session_object_without_an_owner_is_not_checked(any_database):
    store = MongoSessionStore(any_database)
    await store.session("a", owner="u1").add_items([USER])
    assert await store.session("a").get_items() == [USER]


async def test_of_two_owners_of_one_new_session_one_wins(driver, database):
    stores = [MongoSessionStore(database) for _ in range(4)]
    for number in range(10):
        outcomes = await asyncio.gather(
            *(
                stores[owner % 4].session(f"s{number}", owner=f"u{owner}").add_items([USER])
                for owner in range(12)
            ),
            return_exceptions=True,
        )
        assert sum(outcome is None for outcome in outcomes) == 1
        assert sum(isinstance(outcome, WrongOwner) for outcome in outcomes) == 11
        winner = f"u{outcomes.index(None)}"
        assert await stores[0].session(f"s{number}", owner=winner).get_items() == [USER]
    assert len(await stores[0].list_sessions()) == 10


async def test_an_append_in_a_run_is_not_checked_again(sent, database):
    sent.with_cards = True
    session = MongoSessionStore(database).session("a", owner="u1")
    await Runner.run(
        Agent("a", model=ScriptedModel([[assistant_message("one")]])), "hello", session=session
    )
    sent.clear()
    await Runner.run(
        Agent("a", model=ScriptedModel([[assistant_message("two")]])), "hello", session=session
    )
    # The check, the read, the input, the answer.
    assert sent.names == ["find", "find", "insert", "insert"]


async def test_a_deleted_session_may_be_made_by_another_owner(any_database):
    store = MongoSessionStore(any_database)
    first, second = (store.session("a", owner=owner) for owner in ("u1", "u2"))
    await first.add_items([USER])
    await first.update_card(title="of the first")
    assert await store.delete_session("a") == 1
    await second.add_items([USER] * 2)
    with pytest.raises(WrongOwner):
        await first.get_items()
    card = await second.card()
    assert card is not None
    assert (card.owner, card.title) == ("u2", None)


async def test_the_store_of_an_owner(any_database):
    store = MongoSessionStore(any_database)
    mine, other = store.for_owner("u1"), store.for_owner("u2")
    assert repr(mine).endswith(", 'u1')")
    await mine.session("a").add_items([USER])
    await mine.session("b").add_items([USER] * 2)
    await other.session("c").add_items([USER])
    assert {card.session_id for card in await mine.list_sessions(limit=5)} == {"a", "b"}
    first, *_ = await mine.list_sessions(limit=1)
    second, *_ = await mine.list_sessions(after=first.cursor)
    assert {first.session_id, second.session_id} == {"a", "b"}
    with pytest.raises(WrongOwner):
        await mine.delete_session("c")
    with pytest.raises(WrongOwner):
        await mine.session("c").get_items()
    assert await mine.delete_session("unknown") == 0
    assert await mine.delete_session("a") == 1
    deleted = await mine.delete_all()
    assert (deleted.sessions, deleted.items) == (1, 2)
    assert [info.session_id for info in await store.list_sessions()] == ["c"]


@pytest.mark.parametrize(("owner", "error"), [("", ValueError), (5, TypeError)])
def test_an_owner_is_checked_at_construction(store, owner, error):
    with pytest.raises(error, match="owner must"):
        store.session("a", owner=owner)
    with pytest.raises(error, match="owner must"):
        store.for_owner(owner)
