"""Numbered user messages, and the documents of all items and marks."""

from __future__ import annotations

from typing import Any


def user(text: Any) -> dict:
    return {"role": "user", "content": str(text)}


ITEMS = [user(n) for n in range(6)]


async def documents(database: Any) -> list[dict]:
    return await database["session_items"].find().sort("seq", 1).to_list(None)
