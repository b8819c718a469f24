"""The search of a session: hits with the items that belong to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from ..history.ranked_search import rank
from ..log.documents import decode
from ..log.server.server import explaining
from ..policies.checks import MAX_SEQ, check_seconds, check_whole_number
from ..policies.recall.groups import Groups, Shape
from .ownership import Ownership

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..history.history import SessionHistory
    from ..history.ranked_search import Ranking
    from ..log.documents import Document
    from ..policies import Entry
    from ..policies.recall.groups import Group

_MOST_HITS = 100
# Items to either side of a hit among which its group is looked for first.
_REACH = 16


@dataclass(frozen=True, slots=True)
class Hit:
    """An item that a search has found, and what belongs to it."""

    seq: int
    """Of the item."""
    created_at: datetime
    """UTC, in milliseconds."""
    score: float
    """Comparable within one search only."""
    entries: list[Entry]
    """The whole group, oldest first: a call with its output, an answer with its question, and the
    neighbours that were asked for. No entry is in two hits."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The hits of a search, best first."""

    hits: list[Hit]
    is_complete: bool
    """False if the time was over: then only newer items were compared."""
    searched_from_seq: int
    """The oldest seq that was compared."""


class Searches(Ownership):
    """The search of a session."""

    @explaining
    async def search(
        self,
        query: str,
        *,
        before: datetime | None = None,
        after: datetime | None = None,
        limit: int = 10,
        max_tokens: int | None = None,
        neighbours: int = 0,
        seconds: float = 2.0,
    ) -> SearchResult:
        """Find items of this session by their words, best first, whatever the policy shows.

        An item is found if a word of it begins with a word of ``query``: a number must be equal, an
        English word may have another ending, and pairs of characters are compared where a script
        has no spaces. Case is ignored. A word counts more if it is rare in this session, and an
        item gains by matches beside it: so the answer to a question is a hit, too, if it has none
        of the words. Of equal hits, the newest is first.

        Args:
            query: Any text; nothing in it is an operator. Its first 20,000 characters count. Words
                such as "the" count only if there is no other word. Empty: nothing is found.
            before: Only items that were added before this time. It must have a time zone.
            after: Only items that were added at this time or later. It must have a time zone.
            limit: The most hits, 1 to 100. Two items of one group are one hit.
            max_tokens: The most tokens of all entries. A hit that does not fit is left out.
            neighbours: Items on either side of a hit to return with it, 0 to 16.
            seconds: The most time for the comparison. Then ``is_complete`` is False.

        Raises:
            TypeError, ValueError: an argument is out of range, or a time has no time zone.
        """
        if not isinstance(query, str):
            raise TypeError(f"query must be a str, got {type(query).__name__}")
        dates = _dates(before, after)
        check_whole_number("limit", limit, at_least=1, at_most=_MOST_HITS)
        check_whole_number("neighbours", neighbours, at_least=0, at_most=_REACH)
        check_seconds("seconds", seconds)
        if max_tokens is not None:
            check_whole_number("max_tokens", max_tokens, at_least=1)
            if not self._connections.state.counting.is_on:
                raise ValueError("max_tokens needs a store with a token_counter")
        history = await self._history()
        ranking = await rank(history.session_log, query, dates=dates, seconds=seconds)
        hits = await _hits(history, ranking, limit, neighbours)
        if max_tokens is not None:
            hits = _within(hits, max_tokens)
        searched = ranking.searched
        return SearchResult(hits, searched.is_complete, searched.from_seq)


async def _hits(
    history: SessionHistory, ranking: Ranking, limit: int, neighbours: int
) -> list[Hit]:
    log, session_id = history.session_log.log, history.session_id
    scope = ranking.scope._replace(dates=None)  # a group may have begun before
    # Several of the best are often in one group.
    best = {one.seq: one.score for one in ranking.best[: 4 * limit + 8]}
    found = await log.group_reads.shapes(session_id, scope, best, _REACH)
    dated = {shape["seq"] for shape in found if _is_within(shape["created_at"], ranking)}
    seqs = [seq for seq in best if seq in dated]
    groups = Groups(map(_shape, found))
    merged = groups.merged(seqs, limit)
    far = await log.group_reads.questions(session_id, scope, groups.lacking_question(merged))
    if ids := groups.lacking_counterpart(merged):
        far += await log.find(session_id, ids, MAX_SEQ, _MOST_HITS)
    if far:
        known = {document["seq"]: document for document in (*found, *far)}
        groups = Groups(map(_shape, known.values()))
        merged = groups.merged(seqs, limit)
    members = _members(groups, merged, neighbours)
    places = {seq for seqs in members for seq in seqs}
    entries = {one.seq: one for one in await history.at(scope, places)}
    return [
        Hit(
            group.seq,
            entries[group.seq].created_at,
            best[group.seq],
            [entries[seq] for seq in sorted(seqs) if seq in entries],
        )
        for group, seqs in zip(merged, members, strict=True)
        if group.seq in entries  # otherwise it was removed in between
    ]


def _members(groups: Groups, merged: Sequence[Group], neighbours: int) -> list[frozenset[int]]:
    """The places of each hit: its group, and the neighbours that no other hit has."""
    taken = {seq for group in merged for seq in group.members}
    members: list[frozenset[int]] = []
    for group in merged:
        beside = set(groups.around(group.seq, neighbours)) - taken
        taken |= beside
        members.append(group.members | beside)
    return members


def _within(hits: Sequence[Hit], max_tokens: int) -> list[Hit]:
    kept = []
    for hit in hits:
        tokens = sum(entry.tokens for entry in hit.entries)
        if tokens <= max_tokens:
            kept.append(hit)
            max_tokens -= tokens
    return kept


def _shape(document: Document) -> Shape:
    item = document["item"]
    return Shape(document["seq"], document["turn"], decode(item))


def _is_within(created_at: datetime, ranking: Ranking) -> bool:
    dates = ranking.scope.dates or {}
    return dates.get("$gte", created_at) <= created_at and (
        "$lt" not in dates or created_at < dates["$lt"]
    )


def _dates(before: datetime | None, after: datetime | None) -> dict[str, datetime]:
    """The condition on ``created_at``, whose stored dates are naive dates in UTC."""
    given = (("before", "$lt", before), ("after", "$gte", after))
    dates: dict[str, datetime] = {}
    for name, operator, value in given:
        if value is None:
            continue
        if not isinstance(value, datetime):
            raise TypeError(f"{name} must be a datetime, got {value!r}")
        if value.utcoffset() is None:
            raise ValueError(f"{name} must have a time zone, got {value!r}")
        try:
            dates[operator] = value.astimezone(timezone.utc).replace(tzinfo=None)
        except OverflowError as error:
            raise ValueError(
                f"{name} must be between the years 1 and 9999 in UTC, got {value!r}"
            ) from error
    return dates
