"""What a listing says of a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .documents import in_utc
from .pending import tokens_gone

if TYPE_CHECKING:
    from datetime import datetime

    from .documents import Document


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """What a listing says about a session."""

    session_id: str
    items: int
    total_tokens: int
    """Of the stored items; 0 where the store counts none. Both may be a little too high where items
    were popped by some while others appended."""
    updated_at: datetime
    """When the newest item was added, in UTC."""


def info_of(session: Document) -> SessionInfo:
    return SessionInfo(
        session_id=session["_id"],
        items=session["seq"] - session["first"]["seq"] + 1,
        total_tokens=(session["total_tokens"] or 0) - tokens_gone(session),
        updated_at=in_utc(session["created_at"]),
    )
