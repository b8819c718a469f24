"""The deletions of a store."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ..cards.card import check_owner_name
from ..log.server.server import explaining
from ..log.session_ids import check_session_id
from ..policies.checks import check_callable
from .deletions import Deleted, delete_idle, delete_owner, delete_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..connection.connections import Connections

_LONGEST = timedelta(days=36_525)


class StoreDeletions:
    """The methods of a store that delete sessions."""

    _connections: Connections

    @explaining
    async def delete_session(self, session_id: str) -> int:
        """Delete items and card; return the number of items, which is too low after a retry."""
        check_session_id(session_id)
        return await delete_session(self._connections.current(), session_id)

    @explaining
    async def delete_owner(
        self, owner: str, *, progress: Callable[[Deleted], object] | None = None
    ) -> Deleted:
        """Delete every session of an owner that was made before this call.

        It may be cancelled, and called again.

        Args:
            owner: The owner.
            progress: Called after each session with what was deleted so far. An exception from it
                ends the work.

        Raises:
            TypeError, ValueError: an argument is out of range.
            IndexesMissing: an index of the cards is missing, and is not or cannot be created.
            Conflict: a session was written to again and again. The call may be repeated.
        """
        check_owner_name(owner)
        if progress is not None:
            check_callable("progress", progress)
        return await delete_owner(self._connections.current(), owner, progress)

    @explaining
    async def delete_idle(
        self, idle: timedelta, *, progress: Callable[[Deleted], object] | None = None
    ) -> Deleted:
        """Delete every session whose newest item is older than ``idle``, by the server's time.

        Then every card without items that is as old. A session that becomes active in the meantime
        is not deleted. The call reads two index keys per stored session. It may be cancelled, and
        called again.

        Args:
            idle: The age; more than zero.
            progress: Called after each session with what was deleted so far. An exception from it
                ends the work.

        Raises:
            TypeError, ValueError: an argument is out of range.
            IndexesMissing: an index of the cards is missing, and is not or cannot be created.
        """
        if not isinstance(idle, timedelta):
            raise TypeError(f"idle must be a timedelta, got {idle!r}")
        if not timedelta(0) < idle <= _LONGEST:
            raise ValueError(f"idle must be positive, and at most 100 years, got {idle!r}")
        if progress is not None:
            check_callable("progress", progress)
        return await delete_idle(self._connections.current(), idle, progress)
