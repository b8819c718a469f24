"""What a session object remembers from its reads and writes, to save the next ones some."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .log.documents import Head

_HEAD_SECONDS = 300.0
"""Far less than :data:`.places.MARK_SECONDS`: all places up to a remembered head are taken."""


class SessionState:
    """One session, as it was known last."""

    def __init__(self) -> None:
        self.skip_maintenance_until = 0
        """How many tokens a session must have for its policy's ``maintain`` to have work."""
        self.counts_are_checked = False
        """Whether the newest item was counted again: see :class:`CountCheck`."""
        self._head: Head | None = None
        self._told_at = _clocks()

    @property
    def head(self) -> Head | None:
        """What the next append is numbered after; None if that is not known, or outdated."""
        is_outdated = any(
            now - then > _HEAD_SECONDS for now, then in zip(_clocks(), self._told_at, strict=True)
        )
        return None if is_outdated else self._head

    @head.setter
    def head(self, head: Head | None) -> None:
        self._head, self._told_at = head, _clocks()

    def forget(self) -> None:
        """Items are removed: the newest, and how long a session is, are not known any more."""
        self.head, self.skip_maintenance_until = None, 0


def _clocks() -> tuple[float, float]:
    """Seconds. The first stands still while the machine sleeps; the second may be set back."""
    return time.monotonic(), time.time()
