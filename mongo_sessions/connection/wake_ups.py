"""Wakes the watchers of sessions: one change stream per event loop and store, or a poll."""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from contextvars import Context
from typing import TYPE_CHECKING

from pymongo.errors import PyMongoError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..log.reads.following import Following
    from ..log.server.drivers import AnyDriver

logger = logging.getLogger("mongo_sessions")

POLL_SECONDS = 1.0
"""Between two reads of a watcher while there is no change stream."""
# The stream answers each second if there is no change. The driver's own limit is half a minute.
_SILENCE_SECONDS = 3.0
_MOST_POLLS = 60
"""Between two attempts to open the stream."""


class WakeUp:
    """Says to one watcher that its session may have new items. Several signals become one."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._error: BaseException | None = None
        self.is_over = False
        """Whether no further signal follows, because the store was closed."""

    def clear(self) -> None:
        """Forget the signals so far: before the read that answers them."""
        self._event.clear()

    def set(self) -> None:
        self._event.set()

    def end(self, error: BaseException | None) -> None:
        """Send no further signal. An error is raised by :meth:`wait`."""
        self.is_over, self._error = True, error
        self._event.set()

    async def wait(self) -> None:
        """Wait for a signal since :meth:`clear`, or for the end."""
        await self._event.wait()
        if self._error is not None:
            raise self._error


class WakeUps:
    """The watchers of one event loop. A task serves them while there are any.

    A signal tells no more than that a read is due. So none may be missed, and any number may be
    sent in vain: all watchers are woken when the stream begins, while it gives no answer, and each
    second while there is none.
    """

    def __init__(self) -> None:
        self._by_session: dict[str, set[WakeUp]] = {}
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False
        self._has_failed = False
        self.is_streaming = False
        """Whether a change stream is open."""

    @contextmanager
    def of(self, session_id: str, following: Following) -> Iterator[WakeUp]:
        """The signals of one watcher. Register before the first read, or an item may be missed."""
        wake_up = WakeUp()
        if self._is_closed:
            wake_up.end(None)
        self._by_session.setdefault(session_id, set()).add(wake_up)
        if self._task is None and not self._is_closed:
            # Its own context: the task outlives the request, and must not inherit its deadline.
            loop = asyncio.get_running_loop()
            self._task = Context().run(loop.create_task, self._serve(following))
            self._task.add_done_callback(self._has_ended)
        try:
            yield wake_up
        finally:
            watchers = self._by_session[session_id]
            watchers.discard(wake_up)
            if not watchers:
                del self._by_session[session_id]

    async def close(self) -> None:
        """End every watch, and the stream."""
        self._is_closed = True
        for wake_up in self._all():
            wake_up.end(None)
        if self._task is not None:
            # The stream ends after its next answer; a server that gives none must not delay this.
            await asyncio.wait({self._task}, timeout=_SILENCE_SECONDS)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=_SILENCE_SECONDS)

    @property
    def _is_needed(self) -> bool:
        return bool(self._by_session) and not self._is_closed

    def _all(self) -> list[WakeUp]:
        return [one for watchers in self._by_session.values() for one in watchers]

    def _wake(self, session_id: str) -> None:
        for wake_up in self._by_session.get(session_id, ()):
            wake_up.set()

    def _wake_all(self) -> None:
        for wake_up in self._all():
            wake_up.set()

    async def _serve(self, following: Following) -> None:
        self._polls = 1
        while self._is_needed:
            if following.has_streams:
                try:
                    await self._follow(following)
                except PyMongoError as error:
                    self._report(error, following.collection)
            for _ in range(self._polls):
                if not self._is_needed:
                    break
                self._wake_all()
                await asyncio.sleep(POLL_SECONDS)
            self._polls = min(2 * self._polls, _MOST_POLLS)
        # No await since the last look at the watchers, so none has registered in between.
        self._task = None

    async def _follow(self, following: Following) -> None:
        async with await following.inserts() as stream:
            self._polls, self._has_failed, self.is_streaming = 1, False, True
            self._wake_all()  # an item may have been inserted before the stream began
            try:
                while self._is_needed:
                    change = await self._next(stream)
                    if change is not None:
                        self._wake(change["fullDocument"]["session_id"])
            finally:
                self.is_streaming = False

    async def _next(self, stream: AnyDriver) -> AnyDriver:
        """The next change; None if there is none for a while."""
        answer = asyncio.ensure_future(stream.try_next())
        try:
            while not (await asyncio.wait({answer}, timeout=_SILENCE_SECONDS))[0]:
                self._wake_all()  # the server may have lost an election without knowing it
        except asyncio.CancelledError:
            # A stream that is closed while Motor's thread reads from it would open itself again.
            await asyncio.wait({answer}, timeout=_SILENCE_SECONDS)
            if answer.done() and not answer.cancelled():
                answer.exception()
            raise
        return answer.result()

    def _report(self, error: PyMongoError, collection: str) -> None:
        """Log the first failure since the stream was last open."""
        if not self._has_failed:
            self._has_failed = True
            logger.warning(
                "There is no change stream of %r (%s, code %s): watchers read every %g s. It is "
                "tried again.",
                collection,
                type(error).__name__,
                getattr(error, "code", None),
                POLL_SECONDS,
            )

    def _has_ended(self, task: asyncio.Task[None]) -> None:
        if self._task is task:  # it failed, or the event loop ends
            self._task = None
            error = None if task.cancelled() else task.exception()
            for wake_up in self._all():
                wake_up.end(error)
