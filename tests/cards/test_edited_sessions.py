"""What edits of a session do to its card, and what a new owner keeps from the one before."""

from __future__ import annotations

from typing import Any

import pytest

from mongo_sessions import (
    MongoSessionStore,
    SessionDeleted,
    SummarizeOlder,
    SummaryRequest,
    WrongOwner,
)
from mongo_sessions.session import ownership
from tests.support.scribes import tokens, turns, user

TOLD = "my number is 4711"


async def test_a_copy_has_owner_title_and_metadata(database):
    store = MongoSessionStore(database)
    session = store.session("a", owner="u1")
    await session.add_items([user("hello")])
    await session.update_card(title="Greetings", metadata={"colour": "blue"})
    copy = await session.fork("b")
    card = await copy.card()
    assert (card.owner, card.title, card.metadata) == ("u1", "Greetings", {"colour": "blue"})
    assert await store.session("b", owner="u1").get_items() == [user("hello")]
    with pytest.raises(WrongOwner):
        await store.session("b", owner="u2").get_items()


async def test_a_copy_to_the_session_of_another_owner_is_refused(database):
    store = MongoSessionStore(database)
    await store.session("b", owner="u2").get_items()  # which makes it theirs
    session = store.session("a", owner="u1")
    await session.add_items([user("hello")])
    with pytest.raises(WrongOwner, match="session 'b' belongs to another owner"):
        await session.fork("b")
    assert await store.session("b", owner="u2").get_items() == []
    assert (await store.session("b").card()).owner == "u2"


async def titled(request: SummaryRequest) -> str:
    return TOLD if request.kind == "title" else "They talked."


async def test_a_redaction_removes_a_title_that_was_made(database):
    policy = SummarizeOlder(titled, max_tokens=1_000, title=True)
    store = MongoSessionStore(database, token_counter=tokens, policy=policy)
    session = store.session("a")
    await session.add_items([user(TOLD), *turns(1, 8)])
    await session.flush()
    assert (await session.card()).title == TOLD
    copy = await session.fork("b")
    await session.redact(1)
    assert (await session.card()).title is None
    await copy.update_card(title="mine")
    await copy.redact(1)
    assert (await copy.card()).title == "mine"


async def test_a_title_that_was_made_from_what_is_redacted_is_not_saved(database):
    """The redaction comes while the summariser writes the title."""

    async def late(request: SummaryRequest) -> str:
        if request.kind == "title":
            await MongoSessionStore(database, token_counter=tokens).session("a").redact(1)
        return await titled(request)

    policy = SummarizeOlder(late, max_tokens=1_000, title=True)
    session = MongoSessionStore(database, token_counter=tokens, policy=policy).session("a")
    await session.add_items([user(TOLD), *turns(1, 8)])
    await session.flush()
    assert (await session.card()).title is None


async def test_what_one_owner_adds_never_reaches_the_session_of_the_next(database, monkeypatch):
    """The session is deleted, and made again, between the check of the owner and the append."""
    store, check = MongoSessionStore(database), ownership.check_owner

    async def checked(*args: Any) -> None:
        await check(*args)
        monkeypatch.setattr(ownership, "check_owner", check)
        await store.delete_session("a")
        await store.session("a", owner="u2").add_items([user("of u2")])

    session = store.session("a", owner="u1")
    await session.add_items([user("of u1")])
    monkeypatch.setattr(ownership, "check_owner", checked)
    with pytest.raises(SessionDeleted):
        await session.add_items([user("a secret of u1")])
    assert await store.session("a", owner="u2").get_items() == [user("of u2")]
