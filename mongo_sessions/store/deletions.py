"""Deletes sessions: one, all of an owner, or the idle ones.

If a deletion is interrupted, the card stays, and the next deletion finds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import Conflict, WrongOwner
from ..log.cards.cards import CardKey
from ..log.documents import in_utc
from ..session.closing import delete_always, delete_unchanged

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from ..connection.connection import Connection

    Progress = Callable[["Deleted"], object]

_ROUNDS = 10
_PAGE = 100
_SESSIONS = 1_000


@dataclass(frozen=True, slots=True)
class Deleted:
    """How much was deleted."""

    sessions: int
    items: int
    """Too low after a retry."""


async def delete_session(connection: Connection, session_id: str, owner: str | None = None) -> int:
    """Delete items and card of a session; return the number of items.

    Args:
        connection: The connection.
        session_id: The session.
        owner: Whom the session must belong to; None: it may belong to anyone.

    Raises:
        WrongOwner: the session belongs to another owner. Nothing was deleted.
        Conflict: the session was written to again and again in the meantime.
    """
    if owner is None:
        return await delete_always(connection, session_id)
    log, cards = await connection.log(), await connection.cards.open()
    items = 0
    for _ in range(_ROUNDS):
        # The place first: if the session is deleted and made again after the card was read, the
        # place is another one.
        end = await log.end_of(session_id)
        card = await cards.find(session_id)
        if card is None and not end.item_seq:
            return items
        if card is None or card.get("owner") != owner:
            raise WrongOwner(f"session {session_id!r} belongs to another owner, or to none")
        try:
            removed, is_complete = await delete_unchanged(connection, session_id, end, owner)
        except Conflict:
            continue
        items += removed
        if is_complete:
            return items
    raise Conflict(f"session {session_id!r} is being written to, and was not deleted")


async def delete_owner(connection: Connection, owner: str, progress: Progress | None) -> Deleted:
    """See :meth:`MongoSessionStore.delete_owner`."""
    await connection.cards.touches.flush(owner=owner)
    cards = await connection.cards.open_lists()
    start = (await (await connection.log()).now()).replace(tzinfo=None)
    deleted, tried = Deleted(0, 0), set[str]()
    # A deleted card leaves the list, and a card that is made again is younger than the start.
    while page := await cards.made_before(owner, start, _PAGE):
        ids = {card["_id"] for card in page}
        if ids <= tried:
            break
        tried = ids
        for session_id in ids:
            try:
                items = await delete_session(connection, session_id, owner)
            except WrongOwner:  # since it was listed, it was deleted, and made by another owner
                continue
            deleted = _added(deleted, items, progress)
    return deleted


async def delete_idle(
    connection: Connection, idle: timedelta, progress: Progress | None
) -> Deleted:
    """See :meth:`MongoSessionStore.delete_idle`."""
    log, cards = await connection.log(), await connection.cards.open_lists()
    cutoff = await log.now() - idle
    deleted, after = Deleted(0, 0), None
    while page := await log.sessions("", after, _SESSIONS):
        for listed in page:
            if in_utc(listed.updated_at) >= cutoff:
                continue
            end = await log.end_of(listed.session_id)
            if end.seq != listed.last_seq:
                continue
            try:
                items, _ = await delete_unchanged(connection, listed.session_id, end)
            except Conflict:  # it is in use again
                continue
            deleted = _added(deleted, items, progress)
        after = page[-1].session_id
    key = CardKey(cutoff.replace(tzinfo=None), "")
    while documents := await cards.newest_active(None, key, _PAGE):
        for card in documents:
            end = await log.end_of(card["_id"])
            if end.item_seq:
                continue
            try:
                await delete_unchanged(connection, card["_id"], end, card.get("owner"))
            except Conflict:
                continue
            deleted = _added(deleted, 0, progress)
        key = CardKey(documents[-1]["active_at"], documents[-1]["_id"])
    return deleted


def _added(deleted: Deleted, items: int, progress: Progress | None) -> Deleted:
    deleted = Deleted(deleted.sessions + 1, deleted.items + items)
    if progress is not None:
        progress(deleted)
    return deleted
