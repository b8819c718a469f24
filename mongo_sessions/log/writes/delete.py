"""Delete a session: a barrier in a new place, which the runs of that time recognise."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...errors import Conflict, SessionDeleted
from ..places import BARRIER

if TYPE_CHECKING:
    from bson import ObjectId

    from ..server.lasting import LastingReads
    from ..server.retries import Retries
    from .clear import Clearer
    from .taking import End, Taker


class Closing(NamedTuple):
    """A deletion that has begun. The card of the session has it, until the card is buried."""

    token: ObjectId
    """The ``_id`` of its barrier: so there is one, whoever writes it."""
    newest: object
    """The ``_id`` of the newest place when it began; None if there was no place."""


class Deletion(NamedTuple):
    """What a deletion has done."""

    items: int
    """The number of removed items. Too low if a command was retried, as for a clear, or if a reader
    that had found the barrier removed some of them."""
    seq: int
    """The place of the deletion: everything below it is removed."""


class Deleter:
    """Deletes the sessions of one collection.

    A clear puts its barrier on the newest place, and an append that was numbered before succeeds
    after it. A deletion takes the next place: so every append of a run that began before it is
    refused at first, by the unique index, and then finds the barrier.
    """

    def __init__(
        self, taker: Taker, clearer: Clearer, lasting: LastingReads, retries: Retries
    ) -> None:
        self._lasting = lasting
        self._retries = retries
        self._taker = taker
        self._clearer = clearer

    async def delete(
        self, session_id: str, closing: Closing, known: End | None = None, *, if_unchanged: bool
    ) -> Deletion:
        """Remove all items of a session, also of one without items.

        Args:
            session_id: The session.
            closing: The deletion. If its barrier is there already, the rest is completed.
            known: The end of the session, if it was just read.
            if_unchanged: Only if the newest place is the one of ``closing``.

        Raises:
            Conflict: the newest place is another one, and the deletion has no barrier.
        """
        token = closing.token
        fields = {"_id": token, "barrier": token, "deleted": True, "summary": None}

        def check(end: End) -> None:
            if if_unchanged and end.newest_id != closing.newest:
                raise Conflict(f"session {session_id!r} is in use again, and was not deleted")

        try:
            barrier = await self._taker.take_next(session_id, fields, check, known)
        except Conflict:
            found = await self._taker.find(session_id, token)
            if found is None:
                raise
            barrier = found
        return Deletion(await self._clearer.clean(session_id, barrier), barrier["seq"])

    async def refuse_deleted(self, session_id: str, since: int) -> None:
        """:func:`refuse_deleted`, retried after transient errors."""
        await self._retries.run(lambda: refuse_deleted(self._lasting, session_id, since))


def check_end(session_id: str, end: End, expected_last_seq: int | None) -> None:
    """Raise Conflict if the newest item of the session is another one."""
    if expected_last_seq is not None and end.item_seq != expected_last_seq:
        raise Conflict(
            f"the newest item of session {session_id!r} is at {end.item_seq}, and "
            f"expected_last_seq is {expected_last_seq}"
        )


async def refuse_deleted(lasting: LastingReads, session_id: str, since: int) -> None:
    """Raise SessionDeleted if the session was deleted after the place ``since``.

    The barrier of a deletion is found for an hour.
    """
    query = {"session_id": session_id, **BARRIER, "deleted": True, "seq": {"$gt": since}}
    if await lasting.read(lambda items: items.find_one(query, {"seq": 1})) is not None:
        raise SessionDeleted(
            f"session {session_id!r} was deleted after this run had begun; a new run begins afresh"
        )
