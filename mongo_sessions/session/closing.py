"""The steps of a deletion: mark the card, put a barrier behind the items, bury the card.

Items and card are in two collections. An append of the owner checks the card, and may follow a
barrier that it has seen. So a card with an owner is marked before the barrier, and whoever checks
the owner of a marked card completes the deletion first: an append that has seen no mark has not
seen the barrier either, and is refused. A card without an owner is not marked, as no operation
would complete the deletion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bson import ObjectId

from ..errors import Conflict
from ..history.session_state import SessionState
from ..log.writes.delete import Closing

if TYPE_CHECKING:
    from ..connection.connection import Connection
    from ..log.documents import Document
    from ..log.writes.delete import Deletion
    from ..log.writes.taking import End

_ROUNDS = 10


async def delete_always(connection: Connection, session_id: str) -> int:
    """Delete items and card of a session; return the number of items.

    Raises:
        Conflict: its card was made again and again in the meantime.
    """
    items, log = 0, await connection.log()
    for _ in range(_ROUNDS):
        try:
            deletion, is_complete = await _delete(
                connection, session_id, await log.end_of(session_id)
            )
        except Conflict:  # another deletion was given up
            continue
        items += deletion.items
        if is_complete:
            return items
    raise Conflict(f"session {session_id!r} is being used, and its card was not deleted")


async def delete_unchanged(
    connection: Connection, session_id: str, end: End, owner: str | None = None
) -> tuple[int, bool]:
    """Delete items and card of a session if this is its end, and if it belongs to ``owner``.

    Returns:
        The number of items, and whether the card was deleted, too: it was not if it was made or
        marked anew in the meantime.

    Raises:
        Conflict: the session has another end, or another owner (None: any). Nothing was deleted.
    """
    deletion, is_complete = await _delete(connection, session_id, end, owner, if_unchanged=True)
    return deletion.items, is_complete


async def complete(connection: Connection, session_id: str, card: Document) -> Deletion | None:
    """Complete the deletion that has marked a card.

    Returns:
        What was deleted; None if the session is in use: the mark is removed then.
    """
    mark = card["closing"]  # a newer version may have added a field
    closing = Closing(mark["token"], mark["newest"])
    log = await connection.session_log(session_id, SessionState())
    try:
        deletion = await log.delete(closing, if_unchanged=True)
    except Conflict:
        await connection.cards.reopen(session_id, closing)
        return None
    await _bury(connection, session_id, closing, deletion, card["owner"])
    return deletion


async def _delete(
    connection: Connection,
    session_id: str,
    end: End,
    owner: str | None = None,
    *,
    if_unchanged: bool = False,
) -> tuple[Deletion, bool]:
    closing = Closing(ObjectId(), end.newest_id)
    card = await connection.cards.close(session_id, closing, owner)
    if card is None and owner is not None and not connection.cards.touches.is_off:
        raise Conflict(f"session {session_id!r} has another owner now, and was not deleted")
    if card is not None and card["closing"]["token"] != closing.token:
        # Another deletion is completed first; what was added behind it is left to the next round.
        if (completed := await complete(connection, session_id, card)) is None:
            raise Conflict(f"session {session_id!r} is in use again, and was not deleted")
        return completed, False
    log = await connection.session_log(session_id, SessionState())
    try:
        deletion = await log.delete(closing, end, if_unchanged=if_unchanged)
    except Conflict:
        if card is not None:
            await connection.cards.reopen(session_id, closing)
        raise
    owner = owner if card is None else card["owner"]
    return deletion, await _bury(connection, session_id, closing, deletion, owner)


async def _bury(
    connection: Connection, session_id: str, closing: Closing, deletion: Deletion, owner: str | None
) -> bool:
    """Whether the card is deleted. If it was deleted and made again meanwhile, it counts, too."""
    card = await connection.cards.bury(session_id, deletion.seq, closing)
    if card is not None and card.get("active_at") is not None:
        return (card.get("deleted_seq") or 0) >= deletion.seq
    end = await (await connection.log()).end_of(session_id)
    if end.item_seq:
        # A session object without an owner is not checked: its append may follow the barrier, and
        # its touch may have been buried.
        await connection.cards.restore(session_id, end.seq, owner)
    return True
