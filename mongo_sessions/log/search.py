"""Search in the log: which items of a session match which patterns.

The server sends back places and matches, no texts. A session is searched in slices, newest first,
so that a search that runs out of time has searched the newest part.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from pymongo.errors import ExecutionTimeout

from .places import NEWEST_FIRST

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from .documents import Document
    from .drivers import AnyDriver
    from .lasting import LastingReads

_SLICE = 25_000
"""Places of one aggregation: about a quarter of a second."""

# The fields of an item that hold text, with those of one level below: of a shell's action, or of a
# call's operation.
_TEXT_FIELDS = ("content", "output", "arguments", "input", "name", "summary", "action", "operation")
_PART_FIELDS = ("text", "refusal", "transcript", "stdout", "stderr")


class Found(NamedTuple):
    """An item that matches."""

    seq: int
    bits: int
    """One for each pattern, the first in the lowest bit."""
    tokens: int


class Searched(NamedTuple):
    """The result of a search."""

    found: list[Found]
    newest_seq: int
    """The newest place that was searched; 0 for an empty session."""
    from_seq: int
    """The oldest place that was searched."""
    is_complete: bool
    """False if the time was over before the oldest item."""


class Search:
    """Searches the sessions of one collection."""

    def __init__(self, lasting: LastingReads) -> None:
        self._lasting = lasting

    async def matches(
        self,
        session_id: str,
        patterns: Sequence[str],
        *,
        cleared_to: int,
        newest_seq: int,
        dates: Document,
        seconds: float,
    ) -> Searched:
        """The items above ``cleared_to`` that match any of ``patterns``, newest first."""
        deadline = time.monotonic() + seconds
        found: list[Found] = []
        end = newest_seq
        while end > cleared_to:
            start = max(cleared_to, end - _SLICE)
            left = deadline - time.monotonic()
            places = {"$gt": start, "$lte": end}
            query = {"session_id": session_id, "seq": places, "item": {"$exists": True}, **dates}
            try:
                found += await self._slice(query, patterns, left)
            except ExecutionTimeout:
                return Searched(found, newest_seq, end + 1, is_complete=False)
            end = start
        return Searched(found, newest_seq, cleared_to + 1, is_complete=True)

    async def _slice(self, query: Document, patterns: Sequence[str], left: float) -> list[Found]:
        if left <= 0:
            raise ExecutionTimeout("the time of the search is over")
        stages = pipeline(query, patterns)

        async def aggregate(items: AnyDriver) -> list[Document]:
            cursor = items.aggregate(stages, maxTimeMS=max(1, int(left * 1000)))
            cursor = await cursor if hasattr(cursor, "__await__") else cursor
            rows: list[Document] = await cursor.to_list(None)
            return rows

        rows = await self._lasting.retry(aggregate)
        return [Found(row["seq"], int(row["bits"]), row.get("tokens") or 0) for row in rows]


def pipeline(query: Document, patterns: Sequence[str]) -> list[dict[str, Any]]:
    """The stages: the text of each item, which patterns it matches, and the items that match any."""
    return [
        {"$match": query},
        {"$sort": dict(NEWEST_FIRST)},
        {"$project": {"_id": 0, "seq": 1, "tokens": 1, "text": _text()}},
        {
            "$project": {
                "seq": 1,
                "tokens": 1,
                "bits": {
                    "$add": [
                        {"$cond": [_matches(pattern), 1 << bit, 0]}
                        for bit, pattern in enumerate(patterns)
                    ]
                },
            }
        },
        {"$match": {"bits": {"$gt": 0}}},
    ]


def _matches(pattern: str) -> dict[str, Any]:
    return {"$regexMatch": {"input": "$text", "regex": pattern, "options": "i"}}


def _text() -> dict[str, Any]:
    """The texts of an item, joined by line ends. An item that is stored as JSON text is one text."""
    fields = [_text_of(f"$item.{field}") for field in _TEXT_FIELDS]
    parts = [part for text in fields for part in (text, "\n")]
    return {"$cond": [_is("string", "$item"), "$item", {"$concat": parts}]}


def _text_of(value: str) -> dict[str, Any]:
    """A string; or of a list, its strings and the texts of its parts; of an object, its texts."""
    part = {
        "$concat": [
            {"$cond": [_is("string", "$$this"), "$$this", ""]},
            *(_string(f"$$this.{field}") for field in _PART_FIELDS),
            "\n",
        ]
    }
    joined = {"$reduce": {"input": value, "initialValue": "", "in": {"$concat": ["$$value", part]}}}
    inner = {"$concat": [_string(f"{value}.{field}") for field in (*_PART_FIELDS, "command", "diff")]}
    return {
        "$switch": {
            "branches": [
                {"case": _is("string", value), "then": value},
                {"case": {"$isArray": [value]}, "then": joined},
                {"case": _is("object", value), "then": inner},
            ],
            "default": "",
        }
    }


def _string(value: str) -> dict[str, Any]:
    return {"$cond": [_is("string", value), value, ""]}


def _is(kind: str, value: str) -> dict[str, Any]:
    return {"$eq": [{"$type": value}, kind]}
