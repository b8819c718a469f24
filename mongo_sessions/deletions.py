"""The methods of a store that delete sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .log.server import explaining
from .log.session_ids import check_session_id
from .session_state import SessionState

if TYPE_CHECKING:
    from .connections import Connections


class Deletions:
    """Deletes the sessions of a store."""

    _connections: Connections

    @explaining
    async def delete_session(self, session_id: str) -> int:
        """Remove every item of a session; return their number.

        The number is too low after a retry, and if the session was read meanwhile.

        A deletion is one atomic step for every reader. A run of the SDK that has read the session
        before it, in any process, cannot write to it any more: it gets :class:`SessionDeleted`. A
        run that begins later starts a new conversation. A deletion is known for an hour.
        """
        check_session_id(session_id)
        log = await self._connections.current().session_log(session_id, SessionState())
        return (await log.delete()).items
