"""Makes the summaries that are due, in all sessions of a store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..history.session_state import SessionState
from ..log.session_ids import check_part_of_id
from ..policies import FoldStatus, SummarizeOlder
from ..policies.checks import check_callable, check_whole_number
from ..policy_checks import check_policy

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ..connection.connections import Connections
    from ..log.log import Log
    from ..log.reads.listing import Listed
    from ..policies import FoldReport

_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class FoldProgress:
    """Where :meth:`MongoSessionStore.fold_pending` is, after a summary."""

    session_id: str
    """The session that has a new summary."""
    session_number: int
    """Number of that session among the due ones: 1, 2, 3, …"""
    sessions: int
    """Number of sessions that are due."""
    summaries: int
    """Summaries made so far, in all sessions."""
    report: FoldReport
    """The new summary and its cost."""


async def fold_pending(
    connections: Connections,
    policy: SummarizeOlder,
    *,
    prefix: str,
    limit: int,
    progress: Callable[[FoldProgress], object] | None,
) -> int:
    """See :meth:`MongoSessionStore.fold_pending`."""
    check_whole_number("limit", limit, at_least=1)
    check_part_of_id("prefix", prefix)
    if progress is not None:
        check_callable("progress", progress)
    if not isinstance(policy, SummarizeOlder):
        raise TypeError(f"policy must be a SummarizeOlder, got {policy!r}")
    check_policy(policy, has_token_counts=connections.state.counting.is_on)
    connection = connections.current()
    due = await _due(await connection.log(), prefix, policy.budget.due_tokens)
    made = tried = 0
    for number, session_id in enumerate(due, 1):
        history = connection.history(await connection.session_log(session_id, SessionState()))
        before = made
        while report := (result := await policy.fold(history)).report:
            made += 1
            if progress is not None:
                progress(FoldProgress(session_id, number, len(due), made, report))
        tried += made > before or result.status is FoldStatus.FAILED
        if tried == limit:
            break
    return made


async def _due(log: Log, prefix: str, due_tokens: int) -> list[str]:
    """Ids of sessions with at least ``due_tokens`` after their summary, longest unused first."""
    due: list[tuple[datetime, str]] = []
    after = None
    while page := await log.sessions(prefix, after, _PAGE):
        # A session without counts may have any length.
        due += [
            (listed.updated_at, listed.session_id)
            for listed in page
            if listed.total_tokens is None or await is_due(log, listed, due_tokens)
        ]
        after = page[-1].session_id
    return [session_id for _, session_id in sorted(due)]


async def is_due(log: Log, listed: Listed, due_tokens: int) -> bool:
    """Whether a session has at least ``due_tokens`` after its summary, by its counts.

    The summary is looked up for a long session only.
    """
    if listed.tokens < due_tokens:
        return False
    summarised = await log.claims.summarised_tokens(listed.session_id)
    return (listed.total_tokens or 0) - summarised >= due_tokens
