"""The methods of a session that change what has happened."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from .log.server import explaining
from .policies.checks import check_seq

if TYPE_CHECKING:
    from agents import RunContextWrapper

    from .runs import Runs
    from .session_log import SessionLog


class Editing(ABC):
    """Changes of the history of a session, and what they need of it."""

    session_id: str
    _runs: Runs

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

    @abstractmethod
    async def _log(self) -> SessionLog:
        """The log of the session."""

    async def _log_of(self, wrapper: RunContextWrapper[Any] | None) -> SessionLog:
        """The log, for a removal by this run.

        Raises:
            SessionDeleted: the session was deleted since the run has read it.
        """
        log = await self._log()
        await log.refuse_deleted(self._runs.since(wrapper))
        self._runs.removed(wrapper)
        return log
