"""Long sessions in little time: the documents that a store would write, inserted at once."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from mongo_sessions import MongoSessionStore
from mongo_sessions.log.documents import Head, NewItem, to_documents
from mongo_sessions.policies import TokenCounter, starts_turn


async def fill(
    database: Any, items: list[dict], token_counter: TokenCounter, session_id: str = "a"
) -> None:
    await MongoSessionStore(database).ensure_indexes()
    new = {ObjectId(): NewItem(item, 0, token_counter(item), starts_turn(item)) for item in items}
    await database["session_items"].insert_many(to_documents(session_id, new, Head()))
