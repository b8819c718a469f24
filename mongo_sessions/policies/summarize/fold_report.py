"""What an application is told about a fold: what was made and what it cost, or why it failed."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ..names import describe_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from .usage import SummarizerUsage

logger = logging.getLogger("mongo_sessions")


@dataclass(frozen=True, slots=True)
class FoldReport:
    """A block of items was folded into the summary of its session, which is stored now."""

    session_id: str
    first_seq: int
    """Of the first item that was folded."""
    last_seq: int
    """Of the last one."""
    folded_tokens: int
    """Of the items that were folded."""
    summary_tokens: int
    """Of the message that shows the whole summary."""
    usage: SummarizerUsage
    """What the summariser was asked for."""
    seconds: float
    """From the claim until the summary was stored."""


@dataclass(frozen=True, slots=True)
class FoldFailure:
    """A block of items could not be folded. The next attempt is made later."""

    session_id: str
    error: BaseException
    """What the summariser, the token counter or the store raised. A :class:`SummaryError` if an
    answer was refused or did not come in time. The message and the traceback of what a summariser
    raised may hold text of the conversation: they are not logged."""
    failures: int
    """Failed attempts at this block, this one included."""
    retry_after: float
    """Seconds until the next attempt, at the earliest."""
    usage: SummarizerUsage
    """What the summariser was asked for, nevertheless."""


_Report = TypeVar("_Report", FoldReport, FoldFailure)


def tell(hook: Callable[[_Report], object] | None, report: _Report) -> None:
    """Call an application's hook; what it raises changes nothing for the session."""
    if hook is None:
        return
    try:
        hook(report)
    except Exception as error:  # noqa: BLE001 - the hook may raise anything
        logger.warning(
            "The function for each %s raised %s, for session %r",
            type(report).__name__,
            describe_error(error),
            report.session_id,
        )
