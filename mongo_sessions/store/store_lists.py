"""The lists of the sessions of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from ..cards.card import Card, card_of, check_owner_name, key_of
from ..log.server.server import explaining
from ..log.session_ids import check_part_of_id
from ..policies.checks import check_whole_number
from .session_info import SessionInfo, info_of

if TYPE_CHECKING:
    from ..connection.connection import Connection
    from ..connection.connections import Connections

_ORDERS = ("id", "active")
_MOST_SESSIONS = 1_000_000
"""In a page: they are all in memory."""


class StoreLists:
    """The method of a store that lists sessions."""

    _connections: Connections

    @overload
    async def list_sessions(
        self,
        prefix: str = "",
        after: str | None = None,
        limit: int = 100,
        *,
        owner: None = None,
        order: Literal["id"] | None = None,
    ) -> list[SessionInfo]: ...
    @overload
    async def list_sessions(
        self,
        prefix: Literal[""] = "",
        after: str | None = None,
        limit: int = 100,
        *,
        owner: str,
        order: Literal["active"] | None = None,
    ) -> list[Card]: ...
    @overload
    async def list_sessions(
        self,
        prefix: Literal[""] = "",
        after: str | None = None,
        limit: int = 100,
        *,
        owner: str | None = None,
        order: Literal["active"],
    ) -> list[Card]: ...
    @explaining
    async def list_sessions(
        self,
        prefix: str = "",
        after: str | None = None,
        limit: int = 100,
        *,
        owner: str | None = None,
        order: Literal["id", "active"] | None = None,
    ) -> list[SessionInfo] | list[Card]:
        """A page of sessions, by their ids or by their last activity.

        Args:
            prefix: In the order of ids: only ids that start with it. A prefix "user-1" matches
                "user-12", too: end it with the separator of your ids.
            after: Where the page begins: in the order of ids, the last id of the page before; by
                activity, ``cursor`` of its last card.
            limit: The most sessions of the page, at most a million.
            owner: Only the sessions of this owner, by activity.
            order: ``"id"``: every session that has items; two index keys are read per session, and
                no items. ``"active"``: every session that has a card, the one that was active last
                first, in one round trip by an index; a session that becomes active meanwhile moves
                to the front, so a later page may lack it. None: by activity with an owner, by ids
                without.

        Raises:
            TypeError, ValueError: an argument is out of range; there is an owner in the order of
                ids, or a prefix by activity.
            IndexesMissing: by activity, if an index is missing, and is not or cannot be created.
        """
        check_part_of_id("prefix", prefix)
        order = order or ("id" if owner is None else "active")
        if order not in _ORDERS:
            raise ValueError(f"order must be 'id' or 'active', got {order!r}")
        connection = self._connections.current()
        if order == "active":
            if prefix:
                raise ValueError(f"prefix needs order='id', got {prefix!r}")
            return await active_cards(connection, owner, after, limit)
        if owner is not None:
            raise ValueError(f"owner needs order='active', got order='id' and {owner!r}")
        _check_limit(limit)
        if after is not None:
            check_part_of_id("after", after)
        log = await connection.log()
        return [info_of(listed) for listed in await log.sessions(prefix, after, limit)]


async def active_cards(
    connection: Connection, owner: str | None, after: str | None, limit: int
) -> list[Card]:
    """The cards of an owner (None: of all), the one that was active last first."""
    _check_limit(limit)
    if owner is not None:
        check_owner_name(owner)
    key = None if after is None else key_of(after)
    # A list shows the appends that this process has made.
    await connection.cards.touches.flush(owner=owner)
    cards = await connection.cards.open_lists()
    return [card_of(document) for document in await cards.newest_active(owner, key, limit)]


def _check_limit(limit: int) -> None:
    check_whole_number("limit", limit, at_least=1, at_most=_MOST_SESSIONS)
