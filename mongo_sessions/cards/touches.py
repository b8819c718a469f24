"""Appends that the cards are to tell: collected, and written behind the request, many at once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from contextvars import Context
from typing import TYPE_CHECKING, NamedTuple

from pymongo.errors import InvalidOperation, OperationFailure, PyMongoError

from ..log.cards.card_updates import Touch
from ..log.server.retries import UNAUTHORIZED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ..log.documents import Head

logger = logging.getLogger("mongo_sessions")

_DELAY_SECONDS = 1.0
_EVERY_SECONDS = 60.0
_MOST_SESSIONS = 10_000
"""That are remembered. Beyond them, a card may be written more than once a minute."""


class _Known(NamedTuple):
    """What the last touch of a session told."""

    at: float
    seq: int


class Touches:
    """The touches of one event loop. Nothing here fails or delays an append.

    Of each session, the first append is told, and the next one a minute later: so ``active_at`` is
    at most about a minute older than the newest item. A timer, not a waiting task, leaves nothing
    behind when the event loop ends.
    """

    def __init__(self, write: Callable[[Sequence[Touch]], Awaitable[None]]) -> None:
        self._write = write
        self._due: dict[str, Touch] = {}
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self.is_off = False
        """Whether this user may not write cards."""
        self._has_warned = False

    def note(self, session_id: str, head: Head | None, owner: str | None) -> None:
        """An append has ended; ``head`` is the newest place after it, if that is known."""
        if self.is_off:
            return
        is_due = session_id in self._due
        if not is_due and (len(self._due) >= _MOST_SESSIONS or not self._is_news(session_id, head)):
            return
        self._due[session_id] = Touch(session_id, 0 if head is None else head.seq, owner)
        if self._timer is None:
            # Its own context: the write outlives the request, and must not inherit its deadline.
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_DELAY_SECONDS, self._begin, context=Context())

    async def flush(self, session_id: str | None = None, owner: str | None = None) -> None:
        """Write what is due, now: if it is of this session, or of this owner, if one is given."""
        is_due = any(
            session_id in (None, touch.session_id) and owner in (None, touch.owner)
            for touch in self._due.values()
        )
        if is_due:
            self._begin()
        while (writing := self._writing) is not None and not writing.done():
            await asyncio.wait({writing})

    async def close(self, seconds: float) -> None:
        """Write what is due, within ``seconds``; drop the rest."""
        flushing = asyncio.ensure_future(self.flush())
        await asyncio.wait({flushing}, timeout=seconds)
        unfinished = [task for task in (flushing, self._writing) if task and not task.done()]
        for task in unfinished:
            task.cancel()
        if unfinished:
            await asyncio.wait(unfinished)

    def forget(self, session_id: str) -> None:
        """The session was deleted: tell its next append."""
        self._due.pop(session_id, None)
        self._known.pop(session_id, None)

    def _is_news(self, session_id: str, head: Head | None) -> bool:
        now, known = time.monotonic(), self._known.get(session_id)
        # A deletion turns all places into gaps. So if there are more than the place that is known,
        # the session may have been deleted since, and its card, too.
        if (
            known is not None
            and head is not None
            and now - known.at < _EVERY_SECONDS
            and head.seq - head.items <= known.seq
        ):
            return False
        self._known[session_id] = _Known(now, 0 if head is None else head.seq)
        self._known.move_to_end(session_id)
        while len(self._known) > _MOST_SESSIONS:
            self._known.popitem(last=False)
        return True

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._due and (self._writing is None or self._writing.done()):
            loop = asyncio.get_running_loop()
            self._writing = Context().run(loop.create_task, self._write_all())

    async def _write_all(self) -> None:
        while self._due:
            touches, self._due = list(self._due.values()), {}
            try:
                await self._write(touches)
            except InvalidOperation:
                return  # the client is closed
            except PyMongoError as error:
                self._failed(touches, error)

    def _failed(self, touches: Sequence[Touch], error: PyMongoError) -> None:
        for touch in touches:
            self._known.pop(touch.session_id, None)  # the next append tries again
        if isinstance(error, OperationFailure) and error.code == UNAUTHORIZED:
            self.turn_off(error)
        elif not self._has_warned:
            self._has_warned = True
            logger.warning("The cards of sessions are not updated: %s", type(error).__name__)

    def turn_off(self, error: OperationFailure) -> None:
        """Write no more cards: the user may not. Log it once."""
        if not self.is_off:
            self.is_off = True
            logger.warning("The cards of sessions are not updated: %s", error)
