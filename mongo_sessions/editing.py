"""The methods of a session that change what has happened."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents import RunContextWrapper

    from .runs import Runs
    from .session_log import SessionLog


class Editing(ABC):
    """Changes of the history of a session, and what they need of it."""

    session_id: str
    _runs: Runs

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
