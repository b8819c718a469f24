"""Policies, stores and histories that fold small summaries, and the documents that result."""

from __future__ import annotations

from datetime import datetime, timezone

from hypothesis import strategies as st

from mongo_sessions import ListHistory, MongoSession, MongoSessionStore, SummarizeOlder
from tests.support.scribes import BadScribe, Scribe, tokens, turns


def policy_of(summarizer, **options) -> SummarizeOlder:
    """1,000 tokens: 256 for the summary, 744 for the newest items; a fold takes 279."""
    return SummarizeOlder(summarizer, **{"max_tokens": 1_000, **options})


def store_of(database, summarizer, **options) -> MongoSessionStore:
    return MongoSessionStore(
        database, token_counter=tokens, policy=policy_of(summarizer, **options)
    )


def is_summary(item: dict) -> bool:
    return str(item.get("content")).startswith("<conversation_summary>\n")


async def raw(database) -> list[dict]:
    """The documents of all stored items, without the marks of removed ones."""
    with_item = {"item": {"$exists": True}}
    return await database["session_items"].find(with_item).sort("seq", 1).to_list(None)


async def let_claims_expire(database, collection: str = "session_items") -> None:
    now = datetime.now(timezone.utc)
    await database[collection].update_many(
        {"claim": {"$exists": True}}, {"$set": {"claim.until": now}}
    )


async def anchors(database) -> list[int]:
    return [document["seq"] for document in await raw(database) if "summary" in document]


async def summarised_session(database) -> MongoSession:
    """Turns 1 to 8 with a summary on item 6, by a policy that makes no further one."""
    session = store_of(database, Scribe()).session("a")
    await session.add_items(turns(1, 8))
    await session.flush()
    assert await anchors(database) == [6]
    return store_of(database, BadScribe(None)).session("a")


def count(item: dict) -> int:
    return len(str(item)) // 4


def history_of(items: list[dict], token_counter=tokens) -> ListHistory:
    return ListHistory(items, token_counter=token_counter)


def in_foreground(summarizer, **options) -> SummarizeOlder:
    return policy_of(summarizer, background=False, **options)


seeds = st.integers(0, 10**6)
