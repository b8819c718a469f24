"""The search of one session: the log compares the items, and the policies' ranking orders them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from ..log.documents import decode
from ..log.search.search_scope import Asked, Matching, Pattern, Scope, Searched
from ..policies.recall.ranking import Match, ranked
from ..policies.recall.terms import terms_of, words_of
from ..policies.recall.texts import bits_of, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..log.documents import Document
    from ..policies.recall.ranking import Ranked
    from ..policies.recall.terms import Term
    from .session_log import SessionLog

# Ranking this many takes about 10 ms, for which the event loop may be held.
_MANY_MATCHES = 2_000


class Ranking(NamedTuple):
    """The result of a search, without the items."""

    best: list[Ranked]
    """Best first; places without an item may be among them."""
    searched: Searched
    scope: Scope


async def rank(
    log: SessionLog,
    query: str,
    *,
    before_seq: int | None = None,
    dates: Document | None = None,
    seconds: float,
) -> Ranking:
    """The places of a session in the order of their scores.

    Args:
        log: The log of the session.
        query: Any text.
        before_seq: Only lower places. None: all.
        dates: A condition on ``created_at``.
        seconds: The most time for the comparison.
    """
    terms = terms_of(query)
    scope = Scope(await log.log.cleared_to(log.session_id), before_seq, dates)
    if not terms:
        return Ranking([], Searched([], 0, scope.after_seq + 1, is_complete=True), scope)
    if log.log.has_search:
        patterns = [Pattern(one.pattern, one.text if one.is_ascii else None) for one in terms]
        asked = Asked(patterns, words_of(query))
        searched = await log.log.search.matches(log.session_id, asked, scope, seconds)
    else:
        searched = await _compared_here(log, terms, scope)
    matches = [Match(found.seq, found.bits, found.tokens) for found in searched.found]
    items = searched.newest_seq - searched.from_seq + 1
    if len(matches) > _MANY_MATCHES:
        best = await asyncio.to_thread(ranked, terms, matches, items)
    else:
        best = ranked(terms, matches, items)
    return Ranking(best, searched, scope)


async def _compared_here(log: SessionLog, terms: Sequence[Term], scope: Scope) -> Searched:
    """The matches without a server that can compare: with mongomock."""
    documents = await log.log.group_reads.all_documents(log.session_id, scope)
    found = [
        Matching(document["seq"], bits, document.get("tokens") or 0)
        for document in documents
        if (bits := bits_of(terms, text_of(decode(document["item"]))))
    ]
    newest, oldest = (documents[0]["seq"], documents[-1]["seq"]) if documents else (0, 1)
    return Searched(found, newest, oldest, is_complete=True)
