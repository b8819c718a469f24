"""The sessions of one owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ..log.server.server import explaining
from ..log.session_ids import check_session_id
from ..policies.checks import check_callable
from .deletions import Deleted, delete_owner, delete_session
from .store_lists import active_cards

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import EllipsisType

    from ..cards.card import Card
    from ..connection.connections import Connections
    from ..policies import RetrievalPolicy
    from ..session.session import MongoSession
    from ..session.settings import GivenSettings

    class OpenSession(Protocol):
        """Makes a session object for the owner."""

        def __call__(
            self,
            session_id: str,
            *,
            policy: RetrievalPolicy | EllipsisType | None = ...,
            session_settings: GivenSettings | EllipsisType = ...,
        ) -> MongoSession: ...


class OwnerStore:
    """Makes, lists and deletes the sessions of one owner, and no other ones.

    Made by :meth:`MongoSessionStore.for_owner`, without I/O: make one per request, or keep it. The
    store is closed by itself.

    Attributes:
        owner: Whom the sessions belong to.
    """

    def __init__(self, connections: Connections, open_session: OpenSession, owner: str) -> None:
        self.owner = owner
        self._connections = connections
        self._open_session = open_session

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._connections)!r}, {self.owner!r})"

    def session(
        self,
        session_id: str,
        *,
        policy: RetrievalPolicy | EllipsisType | None = ...,
        session_settings: GivenSettings | EllipsisType = ...,
    ) -> MongoSession:
        """One conversation of this owner. See :meth:`MongoSessionStore.session`."""
        return self._open_session(session_id, policy=policy, session_settings=session_settings)

    @explaining
    async def list_sessions(self, after: str | None = None, limit: int = 100) -> list[Card]:
        """A page of the cards, the session that was active last first.

        ``after`` is the cursor of the last card of the page before. See
        :meth:`MongoSessionStore.list_sessions`.
        """
        return await active_cards(self._connections.current(), self.owner, after, limit)

    @explaining
    async def delete_session(self, session_id: str) -> int:
        """Delete items and card; return the number of items, 0 if there is no such session.

        Raises:
            WrongOwner: the session belongs to another owner, or to none. Nothing was deleted.
            Conflict: the session was written to again and again in the meantime.
        """
        check_session_id(session_id)
        return await delete_session(self._connections.current(), session_id, self.owner)

    @explaining
    async def delete_all(self, *, progress: Callable[[Deleted], object] | None = None) -> Deleted:
        """Delete every session. See :meth:`MongoSessionStore.delete_owner`."""
        if progress is not None:
            check_callable("progress", progress)
        return await delete_owner(self._connections.current(), self.owner, progress)
