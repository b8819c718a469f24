"""Which sessions have a summary due."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from .log.log import Log
    from .policies import FoldReport

_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class FoldProgress:
    """Where :meth:`MongoSessionStore.fold_pending` is, after a summary."""

    session_id: str
    """Of the session that has a new summary."""
    session_number: int
    """Of that session among those that are due: 1, 2, 3, …"""
    sessions: int
    """How many are due."""
    summaries: int
    """Made so far, in all sessions."""
    report: FoldReport
    """The summary that was just made, and its cost."""


async def pending(log: Log, prefix: str, due_tokens: int) -> list[str]:
    """Ids of sessions with at least ``due_tokens`` after their summary, longest unused first."""
    due: list[tuple[datetime, str]] = []
    after = None
    while page := await log.sessions(prefix, after, _PAGE):
        for listed in page:
            session_id, tokens = listed.session_id, listed.total_tokens
            # Only the long ones are asked for their summary, and those that are not counted.
            if tokens is None or (
                tokens - listed.tokens_before >= due_tokens
                and tokens - await log.claims.summarised_tokens(session_id) >= due_tokens
            ):
                due.append((listed.updated_at, session_id))
        after = page[-1].session_id
    return [session_id for _, session_id in sorted(due)]
