"""What a listing says of a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .log.documents import in_utc

if TYPE_CHECKING:
    from datetime import datetime

    from .log.listing import Listed


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """What a listing says about a session."""

    session_id: str
    items: int
    total_tokens: int
    """Of the stored items; 0 where the store counts none. Both are too high by an item that one
    worker popped, if another appended after it without a read since."""
    updated_at: datetime
    """When the newest item was added, in UTC."""


def info_of(listed: Listed) -> SessionInfo:
    return SessionInfo(
        session_id=listed.session_id,
        items=listed.items,
        total_tokens=(listed.total_tokens or 0) - listed.tokens_before,
        updated_at=in_utc(listed.updated_at),
    )
