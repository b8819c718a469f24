"""The information about a session in a listing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..log.documents import in_utc

if TYPE_CHECKING:
    from datetime import datetime

    from ..log.reads.listing import Listed


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session in a listing."""

    session_id: str
    items: int
    total_tokens: int
    """Tokens of the items; 0 if the store counts none. Both numbers still include an item that one
    worker has popped if another worker appended after it without a read in between."""
    updated_at: datetime
    """When the newest item was added, in UTC."""


def info_of(listed: Listed) -> SessionInfo:
    return SessionInfo(
        session_id=listed.session_id,
        items=listed.items,
        total_tokens=listed.tokens,
        updated_at=in_utc(listed.updated_at),
    )
