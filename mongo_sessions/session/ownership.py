"""The owner of a session, who is checked before each operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Conflict, WrongOwner
from .closing import complete

if TYPE_CHECKING:
    from ..connection.connection import Connection
    from ..connection.connections import Connections
    from ..history.history import SessionHistory
    from ..history.session_log import SessionLog
    from ..history.session_state import SessionState
    from ..log.documents import Document

_ROUNDS = 10


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

    async def _check_again(self, log: SessionLog) -> None:
        """Check the owner after a read that has met a deletion, which may be newer than the check.

        The later appends of a run rely on its read.
        """
        if self.owner is not None and log.is_after_deletion:
            await check_owner(self._connections.current(), self.session_id, self.owner)

    async def _history(self) -> SessionHistory:
        return self._connections.current().history(await self._log())


async def check_owner(connection: Connection, session_id: str, owner: str) -> None:
    """Check the card of a session. A new session becomes the owner's, in one atomic step.

    Nothing is remembered: the session may be deleted, and made again by another owner. A deletion
    that was interrupted is completed.

    Raises:
        WrongOwner: the session belongs to another owner, or has items and no owner.
        Conflict: the session was deleted again and again in the meantime.
    """
    for _ in range(_ROUNDS):
        card = await _card_of(connection, session_id, owner) or {}
        if card.get("owner") != owner or card.get("closing") is None:
            break
        await complete(connection, session_id, card)
    else:
        raise Conflict(f"session {session_id!r} is being deleted again and again")
    found = card.get("owner")
    if found is None:
        raise WrongOwner(
            f"session {session_id!r} is in use without an owner. To assign it: "
            f"await store.session({session_id!r}).update_card(owner=…)"
        )
    if found != owner:
        raise WrongOwner(f"session {session_id!r} belongs to another owner")


async def _card_of(connection: Connection, session_id: str, owner: str) -> Document | None:
    """The card; a new session gets one. None: it has items and no card."""
    cards = await connection.cards.open()
    card = await cards.find(session_id)
    if card is not None:
        return card
    if (await (await connection.log()).end_of(session_id)).item_seq:
        return await cards.find(session_id)  # both may have been made in between
    return await cards.claim(session_id, owner)
