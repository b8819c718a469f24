"""The result of a fold, and the reports that an application receives about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, TypeVar

from ..logger import logger
from ..names import describe_error
from .usage import NOTHING_USED

if TYPE_CHECKING:
    from collections.abc import Callable

    from .usage import SummarizerUsage


@dataclass(frozen=True, slots=True)
class FoldReport:
    """A block of items was folded: its summary is stored."""

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
    """Requests to the summariser."""
    seconds: float
    """From the claim until the summary was stored."""


@dataclass(frozen=True, slots=True)
class FoldFailure:
    """A fold failed. The next attempt is made later."""

    session_id: str
    error: BaseException
    """The error of the summariser, the token counter or the store. A :class:`SummaryError` if an
    answer was refused or timed out. The message and the traceback of a summariser's error may hold
    text of the conversation: they are not logged."""
    failures: int
    """Failed attempts at this block, this one included."""
    retry_after: float
    """Seconds until the next attempt, at the earliest."""
    usage: SummarizerUsage
    """Requests to the summariser before the failure, the failed one included."""


class FoldStatus(Enum):
    """How an attempt to fold ended."""

    FOLDED = auto()
    FAILED = auto()
    CLAIMED_BY_ANOTHER = auto()
    NOTHING_DUE = auto()
    """No block is due, or it waits after a failure, or it was removed or folded meanwhile."""


@dataclass(frozen=True, slots=True)
class FoldResult:
    """The result of :meth:`SummarizeOlder.fold`."""

    status: FoldStatus
    report: FoldReport | None = None
    """Present if, and only if, the status is ``FoldStatus.FOLDED``."""
    failure: FoldFailure | None = None
    """Present if, and only if, the status is ``FoldStatus.FAILED``."""
    usage: SummarizerUsage = NOTHING_USED
    """Requests to the summariser, whatever the status: the items may be removed meanwhile."""


_Report = TypeVar("_Report", FoldReport, FoldFailure)


def call_hook(hook: Callable[[_Report], object] | None, report: _Report) -> None:
    """Call a hook of the application. An error in it is logged and does not affect the session."""
    if hook is None:
        return
    try:
        hook(report)
    except Exception as error:  # noqa: BLE001 - the hook may raise any error
        logger.warning(
            "The function for each %s raised %s, for session %r",
            type(report).__name__,
            describe_error(error),
            report.session_id,
        )
