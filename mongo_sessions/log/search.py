"""Search in the log: which items of a session match which patterns.

The server sends back places and matches, no texts. A session is searched in slices, newest first,
so that a search that runs out of time has searched the newest part.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pymongo
from pymongo.errors import ExecutionTimeout, PyMongoError

from .drivers import maybe_await
from .places import NEWEST_FIRST, OLDEST_FIRST
from .search_text import item_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from .documents import Document
    from .drivers import AnyDriver
    from .lasting import LastingReads

_SHAPE = [
    *("seq", "turn", "created_at", "item.role", "item.type", "item.id", "item.call_id"),
    *("item.approval_request_id", "item.caller"),
]
_LONGEST_TURN = 2_000
_BATCH = 10_000

# Places of the first aggregation, and of any: the first ends within any time, and a few cover a
# session of a hundred thousand items.
_FIRST_SLICE, _LARGEST_SLICE = 2_000, 25_000
_LEAST_SECONDS = 0.002
"""Less is no time: the server takes a maxTimeMS of 0 for no limit."""


class Pattern(NamedTuple):
    """What the text of an item is compared with."""

    regex: str
    """PCRE."""
    needle: str | None
    """A text in ASCII and lower case that every match contains: then the text is compared in lower
    case. None: the case is ignored by the expression."""


class Matching(NamedTuple):
    """An item that matches."""

    seq: int
    bits: int
    """One for each pattern, the first in the lowest bit."""
    tokens: int
    score: float = 0.0
    """Of a search by an index of words."""


class Searched(NamedTuple):
    """The result of a search."""

    found: list[Matching]
    newest_seq: int
    """The newest place that was searched; 0 if none was."""
    from_seq: int
    """The oldest place that was searched."""
    is_complete: bool
    """False if the time was over before the oldest item."""


class Scope(NamedTuple):
    """The part of a session to search."""

    after_seq: int
    """Of a clear: nothing up to here is found."""
    before_seq: int | None = None
    dates: Document | None = None
    """A condition on ``created_at``."""

    def query(self, session_id: str) -> dict[str, Any]:
        """The documents with items in this part."""
        places = {"$gt": self.after_seq}
        if self.before_seq is not None:
            places["$lt"] = self.before_seq
        dates = {"created_at": self.dates} if self.dates else {}
        return {"session_id": session_id, "seq": places, "item": {"$exists": True}, **dates}


class Search:
    """Searches the sessions of one collection by comparing every item."""

    def __init__(self, lasting: LastingReads) -> None:
        self._lasting = lasting

    async def matches(
        self, session_id: str, patterns: Sequence[Pattern], scope: Scope, seconds: float
    ) -> Searched:
        """The items that match any of ``patterns`` (at most 62), newest first."""
        query = scope.query(session_id)
        newest, oldest = [
            await self._lasting.find_one(query, ["seq"], order)
            for order in (NEWEST_FIRST, OLDEST_FIRST)
        ]
        if newest is None or oldest is None:
            return Searched([], 0, scope.after_seq + 1, is_complete=True)
        deadline = time.monotonic() + seconds
        found: list[Matching] = []
        size, end, first = _FIRST_SLICE, newest["seq"], oldest["seq"]
        while end >= first:
            start = max(first, end - size + 1)
            sliced = {**query, "seq": {"$gte": start, "$lte": end}}
            rows = await rows_within(
                self._lasting, pipeline(sliced, patterns), deadline - time.monotonic()
            )
            if rows is None:
                return Searched(found, newest["seq"], end + 1, is_complete=False)
            found += [
                Matching(row["seq"], int(row["bits"]), row.get("tokens") or 0) for row in rows
            ]
            size, end = min(4 * size, _LARGEST_SLICE), start - 1
        return Searched(found, newest["seq"], first, is_complete=True)

    async def all_documents(self, session_id: str, scope: Scope) -> list[Document]:
        """Every document with an item, newest first: for a server that cannot compare."""
        return await self._find(scope.query(session_id), 0)

    async def documents(
        self, session_id: str, scope: Scope, places: Collection[int]
    ) -> list[Document]:
        """The documents at these places that hold an item, newest first."""
        query = scope.query(session_id)
        query["seq"] = {**query["seq"], "$in": list(places)}
        return await self._find(query, len(places)) if places else []

    async def shapes(
        self, session_id: str, scope: Scope, places: Collection[int], reach: int
    ) -> list[Document]:
        """The documents around these places, oldest first, with no more than their structure.

        An item that is stored as JSON text comes whole.
        """
        around = [{"seq": {"$gte": start, "$lte": end}} for start, end in _ranges(places, reach)]
        if not around:
            return []
        found = await self._find({**scope.query(session_id), "$or": around}, 0, _SHAPE)
        in_text = [document["seq"] for document in found if "item" not in document]
        whole = {one["seq"]: one for one in await self.documents(session_id, scope, in_text)}
        return [whole.get(document["seq"], document) for document in found[::-1]]

    async def questions(
        self, session_id: str, scope: Scope, answers: Mapping[int, int]
    ) -> list[Document]:
        """The user messages that began the turns of these answers: ``answers`` has turn by place.

        Each is looked for in the 2,000 places before its answer.
        """
        turns = [
            {"seq": {"$lt": seq, "$gt": seq - _LONGEST_TURN}, "turn": turn, "item.role": "user"}
            for seq, turn in answers.items()
        ]
        if not turns:
            return []
        return await self._find({**scope.query(session_id), "$or": turns}, 0, _SHAPE)

    async def _find(
        self, query: Document, limit: int, fields: list[str] | None = None
    ) -> list[Document]:
        async def find(items: AnyDriver) -> list[Document]:
            cursor = items.find(query, fields).sort(NEWEST_FIRST).limit(limit)
            # By default, the first answer of the server has 101 documents at most.
            found: list[Document] = await cursor.batch_size(limit or _BATCH).to_list(None)
            return found

        return await self._lasting.retry(find)


async def rows_within(
    lasting: LastingReads, stages: Sequence[Document], seconds: float
) -> list[Document] | None:
    """The results of an aggregation; None if it takes longer than ``seconds``."""
    deadline = time.monotonic() + seconds

    async def aggregate(items: AnyDriver) -> list[Document] | None:
        left = deadline - time.monotonic()
        if left < _LEAST_SECONDS:
            return None
        try:
            # The driver sends it as maxTimeMS, and does not wait longer for a silent server.
            with pymongo.timeout(left):
                cursor = await maybe_await(items.aggregate(stages))
                rows: list[Document] = await cursor.to_list(None)
                return rows
        except PyMongoError as error:
            is_late = deadline - time.monotonic() < _LEAST_SECONDS
            if isinstance(error, ExecutionTimeout) or (error.timeout and is_late):
                return None
            raise

    return await lasting.retry(aggregate)


def _ranges(places: Collection[int], reach: int) -> list[tuple[int, int]]:
    """The ranges of places within ``reach`` of any of these; they do not overlap."""
    ranges: list[tuple[int, int]] = []
    for seq in sorted(places):
        start, end = seq - reach, seq + reach
        if ranges and start <= ranges[-1][1]:
            start = ranges.pop()[0]
        ranges.append((start, end))
    return ranges


def pipeline(query: Document, patterns: Sequence[Pattern]) -> list[dict[str, Any]]:
    """The stages: the text of each item, the patterns in it, and the items with any."""
    bits = [{"$cond": [_matches(pattern), 1 << bit, 0]} for bit, pattern in enumerate(patterns)]
    return [
        {"$match": query},
        {"$sort": dict(NEWEST_FIRST)},
        {"$project": {"_id": 0, "seq": 1, "tokens": 1, "text": {"$toLower": item_text()}}},
        {"$project": {"seq": 1, "tokens": 1, "bits": {"$add": bits}}},
        {"$match": {"bits": {"$gt": 0}}},
    ]


def _matches(pattern: Pattern) -> dict[str, Any]:
    if pattern.needle is None:
        return {"$regexMatch": {"input": "$text", "regex": pattern.regex, "options": "i"}}
    # To look for a text takes the server a fraction of the time of an expression.
    contains = {"$gte": [{"$indexOfBytes": ["$text", {"$literal": pattern.needle}]}, 0]}
    return {"$and": [contains, {"$regexMatch": {"input": "$text", "regex": pattern.regex}}]}
