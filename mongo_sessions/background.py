"""Slow work of policies, off the request path: one piece after the other for each session."""

from __future__ import annotations

import asyncio
import logging
from contextvars import Context
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pymongo.errors import InvalidOperation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Work = Callable[[], Awaitable[bool]]
    _Key = tuple[asyncio.AbstractEventLoop, str]

logger = logging.getLogger("mongo_sessions")

_CANCEL_SECONDS = 3.0


@dataclass
class _Job:
    """The work of one session, in one event loop."""

    work: Work
    piece: asyncio.Future[None]
    """Done when the piece of work under way is."""
    piece_began: float
    """By the clock of its event loop."""
    is_asked_for: bool = True
    is_ending: bool = False
    task: asyncio.Task[None] | None = None


class Background:
    """Runs work in tasks of the event loops that ask for it.

    Work returns whether there is more of it to do at once, and is run again then. An error is
    logged, without its message: it might hold what was said.
    """

    def __init__(self) -> None:
        self._jobs: dict[_Key, _Job] = {}

    def start(self, session_id: str, work: Work) -> None:
        """Run ``work``, again if it is under way: what it looks at has changed."""
        job = self._job(session_id, work)
        job.work, job.is_asked_for = work, True

    async def join(self, session_id: str, work: Work, seconds: float) -> None:
        """Run ``work``, unless some is under way, and wait until one piece is done.

        But no longer than until it has taken so many seconds: who comes late, when it hangs, does
        not wait all over again.
        """
        job = self._job(session_id, work)
        taken = asyncio.get_running_loop().time() - job.piece_began
        await asyncio.wait({job.piece}, timeout=max(0, seconds - taken))

    async def finish(self, session_id: str | None = None, seconds: float | None = None) -> None:
        """Wait for the work that was asked for in this event loop, but not for all there is to do.

        The piece under way comes to its end, and so does another one if it was asked for meanwhile.
        What they would go on with is left for another time. But no longer than so many seconds.
        """
        loop = asyncio.get_running_loop()
        jobs = list(self._jobs_here(session_id).values())
        for job in jobs:
            job.is_ending = True
        asked_again = [job for job in jobs if job.is_asked_for]
        deadline = None if seconds is None else loop.time() + seconds
        for unfinished in (jobs, asked_again):
            if pieces := {job.piece for job in unfinished if not job.piece.done()}:
                left = None if deadline is None else max(0, deadline - loop.time())
                await asyncio.wait(pieces, timeout=left)

    async def close(self, seconds: float) -> None:
        """Finish, in so many seconds. What goes on after them is cancelled, and that is logged."""
        await self.finish(seconds=seconds)
        tasks = {name: job.task for name, job in self._jobs_here().items() if job.task}
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
        # It releases its claims first, if the server answers.
        await asyncio.wait(tasks.values(), timeout=_CANCEL_SECONDS)

    def _jobs_here(self, session_id: str | None = None) -> dict[str, _Job]:
        """Those of this event loop by their sessions: all, or one."""
        loop = asyncio.get_running_loop()
        return {
            its_session: job
            for (its_loop, its_session), job in list(self._jobs.items())
            if its_loop is loop and session_id in (None, its_session)
        }

    def _job(self, session_id: str, work: Work) -> _Job:
        loop = asyncio.get_running_loop()
        key = (loop, session_id)
        job = self._jobs.get(key)
        if job is None:
            self._forget_closed_loops()
            job = self._jobs[key] = _Job(work, loop.create_future(), loop.time())
            # In a context of its own: it outlives the request, and must not inherit its deadline.
            job.task = Context().run(loop.create_task, self._run(key, job))
            # It may be cancelled before it begins.
            job.task.add_done_callback(lambda _: self._end(key, job))
        return job

    async def _run(self, key: _Key, job: _Job) -> None:
        has_more = True
        while job.is_asked_for or (has_more and not job.is_ending):
            job.is_asked_for = False
            has_more = await self._piece(key[1], job.work)
            job.piece.set_result(None)
            job.piece, job.piece_began = key[0].create_future(), key[0].time()
        # No await since the last look at the job: nobody has asked for more in between.
        self._end(key, job)

    def _end(self, key: _Key, job: _Job) -> None:
        if self._jobs.get(key) is job:
            del self._jobs[key]
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
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody waits for it
            logger.warning(
                "Background work on session %r failed: %s", session_id, type(error).__name__
            )
        return False

    def _forget_closed_loops(self) -> None:
        """Where the loop was closed over it, work has not come to its end."""
        for key in list(self._jobs):
            if key[0].is_closed():
                self._jobs.pop(key, None)
