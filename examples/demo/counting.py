"""The demo's token counter, for items and for texts."""

from __future__ import annotations

from mongo_sessions import TiktokenCounter

count_tokens = TiktokenCounter()


def tokens_of(text: str) -> int:
    return count_tokens({"role": "user", "content": text})
