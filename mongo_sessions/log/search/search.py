"""Search in the log: which items of a session match which patterns.

The server sends back places and matches, no texts. A session is searched in slices, newest first,
so that a search that runs out of time has searched the newest part.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pymongo
from pymongo.errors import ExecutionTimeout, PyMongoError

from ..places import NEWEST_FIRST, OLDEST_FIRST
from ..server.drivers import maybe_await
from .search_scope import Matching, Searched
from .search_text import item_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..documents import Document
    from ..server.drivers import AnyDriver
    from ..server.lasting import LastingReads
    from ..server.retries import Retries
    from .search_scope import Asked, Pattern, Scope
    from .word_indexes import WordIndex

# Places of the first aggregation, and of any: the first ends within any time, and a few cover a
# session of a hundred thousand items.
_FIRST_SLICE, _LARGEST_SLICE = 2_000, 25_000
_LEAST_SECONDS = 0.002
"""Less is no time: the server takes a maxTimeMS of 0 for no limit."""


class Search:
    """Searches the sessions of one collection.

    Without ``index``, every item of a session is compared, in slices. With one, the items are
    compared that the index returns.
    """

    def __init__(
        self, lasting: LastingReads, items: AnyDriver, retries: Retries, index: WordIndex | None
    ) -> None:
        self._lasting = lasting
        self._items = items
        self._retries = retries
        self._index = index

    async def matches(
        self, session_id: str, asked: Asked, scope: Scope, seconds: float
    ) -> Searched:
        """The items that match any pattern of ``asked`` (at most 62 patterns)."""
        query = scope.query(session_id)
        newest, oldest = [
            await self._lasting.find_one(query, ["seq"], order)
            for order in (NEWEST_FIRST, OLDEST_FIRST)
        ]
        if newest is None or oldest is None:
            return Searched([], 0, scope.after_seq + 1, is_complete=True)
        deadline = time.monotonic() + seconds
        whole = Searched([], newest["seq"], oldest["seq"], is_complete=True)
        if self._index is None:
            return await self._compared(query, asked, whole, deadline)
        rows = await self._rows(self._index.stages(query, asked.words), asked, deadline)
        if rows is None:
            return whole._replace(from_seq=whole.newest_seq + 1, is_complete=False)
        return whole._replace(found=_matchings(rows))

    async def _compared(
        self, query: Document, asked: Asked, whole: Searched, deadline: float
    ) -> Searched:
        found: list[Matching] = []
        size, end = _FIRST_SLICE, whole.newest_seq
        while end >= whole.from_seq:
            start = max(whole.from_seq, end - size + 1)
            sliced = {**query, "seq": {"$gte": start, "$lte": end}}
            first: list[Document] = [{"$match": sliced}, {"$sort": dict(NEWEST_FIRST)}]
            rows = await self._rows(first, asked, deadline)
            if rows is None:
                return whole._replace(found=found, from_seq=end + 1, is_complete=False)
            found += _matchings(rows)
            size, end = min(4 * size, _LARGEST_SLICE), start - 1
        return whole._replace(found=found)

    async def _rows(
        self, first: list[Document], asked: Asked, deadline: float
    ) -> list[Document] | None:
        """The matches among the documents of the stages ``first``; None if the time is over."""
        stages = [*first, *_compare(asked.patterns)]

        async def aggregate(items: AnyDriver) -> list[Document] | None:
            left = deadline - time.monotonic()
            if left < _LEAST_SECONDS:
                return None
            try:
                # The driver sends it as maxTimeMS, and does not wait longer for a silent server.
                with pymongo.timeout(left):
                    cursor = await maybe_await(items.aggregate(stages, batchSize=_LARGEST_SLICE))
                    rows: list[Document] = await cursor.to_list(None)
                    return rows
            except PyMongoError as error:
                is_late = deadline - time.monotonic() < _LEAST_SECONDS
                if isinstance(error, ExecutionTimeout) or (error.timeout and is_late):
                    return None
                raise

        if self._index is not None and not self._index.is_lasting:
            return await self._retries.run(lambda: aggregate(self._items))
        return await self._lasting.retry(aggregate)


def _matchings(rows: Sequence[Document]) -> list[Matching]:
    return [Matching(row["seq"], int(row["bits"]), row.get("tokens") or 0) for row in rows]


def _compare(patterns: Sequence[Pattern]) -> list[dict[str, Any]]:
    """The stages: the text of each item, the patterns in it, and the items with any."""
    bits = [{"$cond": [_matches(pattern), 1 << bit, 0]} for bit, pattern in enumerate(patterns)]
    return [
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
