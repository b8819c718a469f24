"""The methods of a session that change what has happened."""

from __future__ import annotations

from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from ..counting.new_items import to_new_items, to_sdk
from ..history.session_state import SessionState
from ..log.documents import encode
from ..log.server.server import explaining
from ..log.session_ids import check_session_id
from ..policies.checks import check_seq
from ..policies.items import traits_of
from ..policies.redacted_item import redacted
from ..runs.runs import Runs
from .ownership import Ownership

if TYPE_CHECKING:
    from agents import RunContextWrapper
    from agents.items import TResponseInputItem
    from agents.memory import SessionSettings
    from typing_extensions import Self

    from ..connection.connections import Connections
    from ..history.session_log import SessionLog
    from ..policies import Item


class Editing(Ownership):
    """Changes of the history of a session, and what they need of it."""

    session_id: str
    _connections: Connections
    _owns_connections: bool
    _runs: Runs
    _settings: SessionSettings | None
    _state: SessionState

    @explaining
    async def rewind(self, seq: int, expected_last_seq: int | None = None) -> int:
        """Go back to the state after an entry; return the number of removed items.

        Everything after the entry is removed, with its summaries and pins, in one atomic step for
        readers and writers: a new answer, or a new text of the last question, can then be added.

        On a standalone server, the items are removed one by one, the newest first.

        Args:
            seq: The entry that becomes the newest; 0 removes all.
            expected_last_seq: The ``seq`` of the newest entry that the caller has seen (0: none).
                None: whatever was added meanwhile is removed, too.

        Raises:
            Conflict: the newest entry is another one than ``expected_last_seq``.
            NoSuchEntry: there is no entry at ``seq``.
        """
        check_seq("seq", seq, at_least=0)
        if expected_last_seq is not None:
            check_seq("expected_last_seq", expected_last_seq, at_least=0)
        return await (await self._log()).rewind(seq, expected_last_seq)

    @explaining
    async def fork(self, new_id: str, upto_seq: int | None = None) -> Self:
        """Copy this session on the server, and return the copy: a session with the same policy.

        The copy has the items up to ``upto_seq``, with the same ``seq``, and their summaries, pins
        and counts: no summary is made again. It has the owner, the title and the metadata. It
        appears in one atomic step, and is a session of its own from then on: a change of one does
        not change the other.

        Args:
            new_id: The id of the copy.
            upto_seq: The newest entry that is copied; None for all, 0 for none.

        Raises:
            Conflict: the copy was cleared or deleted before it was complete, or items were removed
                from this session all the time.
            NoSuchEntry: there is no entry at ``upto_seq``.
            SessionExists: ``new_id`` is in use, or was deleted within the last hour.
            WrongOwner: this session, or the one of the new id, belongs to another owner.
        """
        check_session_id(new_id)
        if upto_seq is not None:
            check_seq("upto_seq", upto_seq, at_least=0)
        cards = self._connections.current().cards
        await (await self._log()).fork(
            new_id, upto_seq, partial(cards.copy, self.session_id, new_id)
        )
        twin = copy(self)
        twin._become(new_id)  # noqa: SLF001 - of the same class
        return twin

    def _become(self, session_id: str) -> None:
        """Let a copy of a session object be one of another session, which closes no client."""
        self.session_id = session_id
        self._settings = copy(self._settings)
        self._state = SessionState()
        self._runs = Runs(self._state, self._connections.state.counting)
        self._owns_connections = False

    @explaining
    async def redact(self, seq: int, replacement: TResponseInputItem | None = None) -> None:
        """Replace what an entry says, for every reader, and remove all that was derived from it.

        The entry keeps its ``seq``. Every summary that covers it is removed, with the copies of
        pinned items beside it; the next folds make them anew, from the last summary before the
        entry. A title that a summariser has made is removed. A fold under way that has read the old
        text cannot store its result. A call that was interrupted can be repeated.

        Not changed are other entries that say the same, copies made by :meth:`fork`, and items that
        were popped within the last hour.

        Args:
            seq: The entry.
            replacement: An item of the same kind, with the same ids of a call. None keeps the item,
                and replaces each text in it by "[redacted]": its type, role, ids, names, numbers
                and keys stay, so that the history stays valid.

        Raises:
            InvalidItem, ItemTooLarge: ``replacement`` cannot be stored.
            NoSuchEntry: there is no entry at ``seq``.
            ValueError: ``replacement`` is of another kind.
        """
        check_seq("seq", seq)
        if replacement is not None:
            encode(cast("Item", replacement), "replacement")
        log = await self._log()
        stored = await log.log.edits.redactor.item_at(self.session_id, seq)
        new = redacted(stored) if replacement is None else cast("Item", replacement)
        if traits_of(new) != traits_of(stored):
            raise ValueError(
                f"replacement must have the type, the role and the call_id of item {seq} in "
                f"session {self.session_id!r}"
            )
        (item,) = await to_new_items(to_sdk([new]), self._connections.state.counting)
        await log.redact(seq, item)
        await self._connections.current().cards.forget_title(self.session_id)

    async def _log_of(self, wrapper: RunContextWrapper[Any] | None) -> SessionLog:
        """The log, for a removal by this run.

        Raises:
            SessionDeleted: the session was deleted since the run has read it.
        """
        log = await self._log()
        await log.refuse_deleted(self._runs.since(wrapper))
        self._runs.removed(wrapper)
        return log
