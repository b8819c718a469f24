"""The owner of a session, who is checked before each operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import WrongOwner

if TYPE_CHECKING:
    from .connection import Connection
    from .connections import Connections
    from .history import SessionHistory
    from .session_log import SessionLog
    from .session_state import SessionState


class Ownership:
    """Opens the log of a session. Every operation begins here, so that the owner is checked."""

    session_id: str
    owner: str | None
    _connections: Connections
    _state: SessionState

    async def _log(self, state: SessionState | None = None) -> SessionLog:
        """The log; ``state`` takes the place of what the session remembers.

        Raises:
            WrongOwner: the session belongs to another owner.
        """
        connection = self._connections.current()
        if self.owner is not None:
            await check_owner(connection, self.session_id, self.owner)
        return await connection.session_log(self.session_id, state or self._state)

    async def _unchecked_log(self) -> SessionLog:
        return await self._connections.current().session_log(self.session_id, self._state)

    async def _log_to_append(self) -> tuple[SessionLog, int | None]:
        """The log, and the place whose session the owner was checked for; None without an owner.

        An append after that place is refused if the session was deleted since: it may have been
        made again by another owner.
        """
        log = await self._unchecked_log()
        if self.owner is None:
            return log, None
        since = (await log.log.end_of(self.session_id)).seq
        return await self._log(), since

    async def _history(self) -> SessionHistory:
        return self._connections.current().history(await self._log())


async def check_owner(connection: Connection, session_id: str, owner: str) -> None:
    """Check the card of a session. A new session becomes the owner's, in one atomic step.

    Nothing is remembered: the session may be deleted, and made again by another owner.

    Raises:
        WrongOwner: the session belongs to another owner, or has items and no owner.
    """
    cards = await connection.cards.open()
    card = await cards.find(session_id)
    if card is None:
        if (await (await connection.log()).end_of(session_id)).item_seq:
            card = await cards.find(session_id)  # both may have been made in between
            found = None if card is None else card.get("owner")
        else:
            found = await cards.claim(session_id, owner)
    else:
        found = card.get("owner")
    if found is None:
        raise WrongOwner(
            f"session {session_id!r} is in use without an owner. To assign it: "
            f"await store.session({session_id!r}).update_card(owner=…)"
        )
    if found != owner:
        raise WrongOwner(f"session {session_id!r} belongs to another owner")
