"""Summarisers for tests: they stand in for a model, and are no good at summarising."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mongo_sessions import SummaryRequest


def tokens(item: dict) -> int:
    """A token a word, and no more: so texts of a known length are easily written."""
    return len(str(item.get("content", item.get("output", item.get("arguments", "")))).split())


class Scribe:
    """Repeats the beginning of what it is given, as long as it should, and remembers requests."""

    def __init__(self) -> None:
        self.requests: list[SummaryRequest] = []

    async def __call__(self, request: SummaryRequest) -> str:
        self.requests.append(request)
        words = request.transcript.split()
        return " ".join(words[: min(request.wanted_tokens, len(words) // 2)])

    @property
    def kinds(self) -> list[str]:
        return [request.kind for request in self.requests]


class HeldScribe(Scribe):
    """Waits with its answer until it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.may_go_on = asyncio.Event()

    async def __call__(self, request: SummaryRequest) -> str:
        answer = await super().__call__(request)
        self.asked.set()
        await self.may_go_on.wait()
        return answer


class BadScribe(Scribe):
    """Does anything but write a summary."""

    def __init__(self, how: Any) -> None:
        super().__init__()
        self.how = how

    async def __call__(self, request: SummaryRequest) -> Any:
        await super().__call__(request)
        if self.how == "raises":
            raise RuntimeError(request.transcript)
        if self.how == "hangs":
            await asyncio.Event().wait()
        if self.how == "cancels itself":
            raise asyncio.CancelledError
        return request.transcript + " and more" if self.how == "repeats" else self.how


BAD = ["raises", "hangs", "cancels itself", "repeats", "", " \n\t", None, ["a", "list"], b"bytes"]


def user(number: int, words: int = 50) -> dict:
    return {"role": "user", "content": f"question-{number} " + "word " * (words - 1)}


def answer(number: int, words: int = 50) -> dict:
    return {"role": "assistant", "content": f"answer-{number} " + "word " * (words - 1)}


def turns(first: int, last: int, words: int = 100) -> list[dict]:
    """Turns of so many words each: a question and its answer."""
    half = words // 2
    return [item for n in range(first, last + 1) for item in (user(n, half), answer(n, half))]
