"""Background tasks of one event loop: one piece of work at a time for each session."""

from __future__ import annotations

import asyncio
import logging
from contextvars import Context
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pymongo.errors import InvalidOperation

from ..telemetry.telemetry import linked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Work = Callable[[], Awaitable[bool]]

logger = logging.getLogger("mongo_sessions")

_CANCEL_SECONDS = 3.0


@dataclass
class _Job:
    """The work of one session."""

    work: Work
    piece: asyncio.Future[None]
    """Done at the end of the piece of work under way."""
    piece_began: float
    """By the clock of the event loop."""
    is_asked_for: bool = True
    is_ending: bool = False
    task: asyncio.Task[None] | None = None


class Background:
    """Runs work in tasks of one event loop, off the request path.

    Work returns whether there is more of it to do; if so, it is run again. An error is logged
    without its message, which may hold text of the conversation.
    """

    def __init__(self) -> None:
        self._jobs: dict[str, _Job] = {}

    def start(self, session_id: str, work: Work) -> None:
        """Run ``work``. If it is under way, run it again: what it has read may be outdated."""
        work = linked(work)
        job = self._job(session_id, work)
        job.work, job.is_asked_for = work, True

    async def join(self, session_id: str, work: Work, seconds: float) -> None:
        """Run ``work``, unless some is under way, and wait until one piece is done.

        The wait ends when the piece has taken ``seconds``, counted from its start. So a late caller
        waits for what is left of them.
        """
        job = self._job(session_id, linked(work))
        taken = asyncio.get_running_loop().time() - job.piece_began
        await asyncio.wait({job.piece}, timeout=max(0, seconds - taken))

    async def finish(self, session_id: str | None = None, seconds: float | None = None) -> None:
        """Wait for the work that was started: for one session, or for all (None).

        The piece under way is finished, and one more if it was started again meanwhile. No further
        piece follows, even if there is more to do. The wait ends after ``seconds``, if given.
        """
        loop = asyncio.get_running_loop()
        jobs = [job for name, job in self._jobs.items() if session_id in (None, name)]
        for job in jobs:
            job.is_ending = True
        asked_again = [job for job in jobs if job.is_asked_for]
        deadline = None if seconds is None else loop.time() + seconds
        for unfinished in (jobs, asked_again):
            if pieces := {job.piece for job in unfinished if not job.piece.done()}:
                left = None if deadline is None else max(0, deadline - loop.time())
                await asyncio.wait(pieces, timeout=left)

    async def close(self, seconds: float) -> None:
        """Finish within ``seconds``. Cancel the work that has not ended by then, and log it."""
        await self.finish(seconds=seconds)
        tasks = {name: job.task for name, job in self._jobs.items() if job.task}
        if not tasks:
            return
        logger.warning(
            "Background work was not done in %g seconds, and is cancelled. Another worker or the "
            "next write begins it again. Sessions: %s",
            seconds,
            ", ".join(map(repr, sorted(tasks))),
        )
        for task in tasks.values():
            task.cancel()
        # Cancelled work releases its claims, which takes an answer of the server.
        await asyncio.wait(tasks.values(), timeout=_CANCEL_SECONDS)

    def _job(self, session_id: str, work: Work) -> _Job:
        job = self._jobs.get(session_id)
        if job is None:
            loop = asyncio.get_running_loop()
            job = self._jobs[session_id] = _Job(work, loop.create_future(), loop.time())
            # Its own context: the task outlives the request, and must not inherit its deadline.
            job.task = Context().run(loop.create_task, self._run(session_id, job))
            # A task that is cancelled before its first step does not end its job itself.
            job.task.add_done_callback(lambda _: self._end(session_id, job))
        return job

    async def _run(self, session_id: str, job: _Job) -> None:
        loop = asyncio.get_running_loop()
        has_more = True
        while job.is_asked_for or (has_more and not job.is_ending):
            job.is_asked_for = False
            has_more = await self._piece(session_id, job.work)
            job.piece.set_result(None)
            job.piece, job.piece_began = loop.create_future(), loop.time()
        # No await since the last look at the job, so no request for more came in between.
        self._end(session_id, job)

    def _end(self, session_id: str, job: _Job) -> None:
        if self._jobs.get(session_id) is job:
            del self._jobs[session_id]
        job.piece.cancel()

    async def _piece(self, session_id: str, work: Work) -> bool:
        try:
            return await work()
        except InvalidOperation:
            logger.warning(
                "Background work on session %r failed: its client is closed. Call "
                "`await store.close()` before you close the client",
                session_id,
            )
        except Exception as error:  # noqa: BLE001 - no caller waits for it
            logger.warning(
                "Background work on session %r failed: %s", session_id, type(error).__name__
            )
        return False
