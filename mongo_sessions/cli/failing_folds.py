"""Summaries that fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .times import date, iso

if TYPE_CHECKING:
    from ..log.reads.diagnosis import Attempt, Diagnosis


@dataclass(frozen=True)
class FailingFold:
    """A session whose next summary has failed, once or more often."""

    session_id: str
    attempt: Attempt

    def __str__(self) -> str:
        attempt = self.attempt
        times = "once" if attempt.failures == 1 else f"{attempt.failures:,} times"
        reason = f": {attempt.reason}" if attempt.reason else ""
        return (
            f"the summary of session {self.session_id} has failed {times}{reason}; the next "
            f"attempt is at {date(attempt.until)} UTC or later"
        )

    @property
    def record(self) -> dict[str, Any]:
        """As an object of JSON."""
        attempt = self.attempt
        return {
            "session_id": self.session_id,
            "seq": attempt.seq,
            "failures": attempt.failures,
            "reason": attempt.reason or None,
            "until": iso(attempt.until),
        }


async def failing_fold(diagnosis: Diagnosis, session_id: str) -> FailingFold | None:
    """The failing summary of a session; None if the newest attempt succeeded, or none was made."""
    attempt = await diagnosis.last_attempt(session_id)
    return None if attempt is None else FailingFold(session_id, attempt)
