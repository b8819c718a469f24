"""The methods of a session about its card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..cards.card import Card, card_changes, card_of
from ..errors import Conflict, WrongOwner
from ..log.server.server import explaining
from .ownership import Ownership, check_owner

if TYPE_CHECKING:
    from datetime import datetime
    from types import EllipsisType

    from ..connection.connection import Connection
    from ..log.cards.cards import Cards

_ROUNDS = 3


class HasCard(Ownership):
    """The card of a session: its owner, its title, its metadata, and its last activity."""

    @explaining
    async def card(self) -> Card | None:
        """What a list shows of this session; None if it has no card.

        There is none before the first append, unless the session has an owner, and none of a
        session that was last used by a version without cards. An append writes the card a second
        later, in the background, and :meth:`flush` writes it at once.
        """
        connection = await self._card_connection()
        document = await (await connection.cards.open()).find(self.session_id)
        return None if document is None else card_of(document)

    @explaining
    async def update_card(
        self,
        *,
        title: str | EllipsisType | None = ...,
        metadata: dict[str, Any] | EllipsisType | None = ...,
        owner: str | EllipsisType = ...,
    ) -> Card:
        """Change the card, in one atomic step, and return it. A missing one is made.

        Args:
            title: At most 1,024 bytes. None removes it; ``...`` leaves it.
            metadata: A JSON object of at most 64 KB, which replaces the whole one that was there.
                None removes it; ``...`` leaves it.
            owner: Assigns a session that has no owner, through a session object without an owner.
                ``...`` leaves it.

        Raises:
            InvalidItem: ``metadata`` is not a JSON object.
            TypeError, ValueError: an argument has the wrong type, or is too long.
            WrongOwner: the session belongs to another owner. Nothing was changed.
            Conflict: the session was deleted again and again in the meantime.
        """
        changes = card_changes(title, metadata, owner)
        if "owner" in changes and self.owner is not None:
            raise WrongOwner(
                f"session {self.session_id!r} was opened with an owner. To assign it: "
                f"await store.session({self.session_id!r}).update_card(owner=…)"
            )
        connection = await self._card_connection()
        cards = await connection.cards.open()
        for _ in range(_ROUNDS):
            document = await cards.update(
                self.session_id,
                changes,
                of_owner=self.owner,
                active_at=await self._active_at(connection, cards),
            )
            if document is not None:
                break
            # It was deleted since the owner was checked.
            await check_owner(connection, self.session_id, self.owner or "")
        else:
            raise Conflict(f"session {self.session_id!r} was deleted in the meantime")
        if document.get("owner") != changes.get("owner", document.get("owner")):
            raise WrongOwner(f"session {self.session_id!r} belongs to another owner")
        return card_of(document)

    async def _card_connection(self) -> Connection:
        """The connection, after a check of the owner, and the cards with the appends so far."""
        connection = self._connections.current()
        await connection.cards.touches.flush(self.session_id)
        if self.owner is not None:
            await check_owner(connection, self.session_id, self.owner)
        return connection

    async def _active_at(self, connection: Connection, cards: Cards) -> datetime | None:
        """For a new card: when the newest item was added; None without items, or if not needed."""
        if self.owner is not None or await cards.find(self.session_id) is not None:
            return None
        page, _ = await (await connection.log()).newest(self.session_id, 1)
        return page.documents[0]["created_at"] if page.documents else None
