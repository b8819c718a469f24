"""One run at a time: a lease on a session."""

from __future__ import annotations

import asyncio
import logging
import random
from contextvars import Context
from typing import TYPE_CHECKING

from bson import ObjectId
from pymongo.errors import PyMongoError

from ..concurrency.cancellation import run_to_completion
from ..concurrency.clocks import clocks
from ..errors import SessionBusy
from ..log.server.server import explaining
from ..policies.checks import check_seconds
from .ownership import Ownership

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from typing_extensions import Self

    from ..history.session_log import SessionLog

logger = logging.getLogger("mongo_sessions")

# A holder that pauses for garbage collection, or for a busy event loop, must not lose its lease.
_SHORTEST_LEASE = 1.0
_PROLONGATIONS = 3
"""Per lease: two may fail."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5


class Turn:
    """The lease on a session, while it is held: ``async with session.turn() as turn``.

    Attributes:
        session_id: The session.
    """

    def __init__(
        self,
        session_id: str,
        open_log: Callable[[], Awaitable[SessionLog]],
        *,
        wait: float,
        lease: float,
    ) -> None:
        check_seconds("wait", wait, may_be_zero=True)
        check_seconds("lease", lease)
        if lease < _SHORTEST_LEASE:
            raise ValueError(f"lease must be at least {_SHORTEST_LEASE:g} seconds, got {lease!r}")
        self.session_id = session_id
        self._open_log = open_log
        self._wait = wait
        self._lease = lease
        self._held: _Held | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.session_id!r}, is_held={self.is_held})"

    @property
    def is_held(self) -> bool:
        """Whether no other turn can have the session now.

        False before and after the block, and once the lease is lost or may have expired: the
        process was frozen, or reached no server, for as long. A warning is logged then.
        """
        return self._held is not None and self._held.is_valid

    @explaining
    async def __aenter__(self) -> Self:
        if self._held is not None:
            raise RuntimeError(f"{self!r} was entered already; make one turn per block")
        held = _Held(await self._open_log(), self._lease)
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + self._wait, _FIRST_PAUSE
        while not await held.acquire():
            left = end - loop.time()
            if left <= 0:
                raise SessionBusy(
                    f"another turn of session {self.session_id!r} is under way; waited "
                    f"{self._wait:g} s"
                )
            await asyncio.sleep(min(left, random.uniform(pause / 2, pause)))
            pause = min(2 * pause, _LONGEST_PAUSE)
        self._held = held
        held.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        held, self._held = self._held, None
        if held is not None:
            await run_to_completion(held.release())


class _Held:
    """One lease, with an id of its own."""

    def __init__(self, log: SessionLog, seconds: float) -> None:
        self._turns = log.log.turns
        self._session_id = log.session_id
        self._seconds = seconds
        self._id = ObjectId()
        self._is_lost = False
        self._is_reported = False
        self._is_released = False
        self._since = clocks()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_valid(self) -> bool:
        # Counted from before the command, so it ends here before it ends on the server.
        passed = (now - then for now, then in zip(clocks(), self._since, strict=True))
        return not self._is_lost and max(passed) < self._seconds

    async def acquire(self) -> bool:
        self._since = clocks()
        acquiring = self._turns.acquire(self._session_id, self._id, self._seconds)
        try:
            return await run_to_completion(acquiring)
        except asyncio.CancelledError:
            await run_to_completion(self.release())  # it may have been acquired
            raise

    def start(self) -> None:
        """Prolong the lease from now on."""
        # Its own context: it must not inherit a deadline of the request.
        loop = asyncio.get_running_loop()
        self._task = Context().run(loop.create_task, self._keep())

    async def release(self) -> None:
        """Never raises: what was done under the lease is done, and the lease expires by itself."""
        self._is_released = True  # PyMongo may lose a cancellation that comes while a command ends
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        try:
            await self._turns.release(self._session_id, self._id, self._seconds)
        except PyMongoError as error:
            logger.warning(
                "The turn of session %r was not released (%s): its lease expires in %g s",
                self._session_id,
                type(error).__name__,
                self._seconds,
            )

    async def _keep(self) -> None:
        while not (self._is_lost or self._is_released):
            await asyncio.sleep(self._seconds / _PROLONGATIONS)
            await self._prolong()
            if not self.is_valid and not self._is_reported:
                self._is_reported = True
                logger.warning(
                    "The turn of session %r has lost its lease of %g s: another one may have "
                    "begun. Was the process or its event loop blocked, or no server reached?",
                    self._session_id,
                    self._seconds,
                )

    async def _prolong(self) -> None:
        since = clocks()
        try:
            is_held = await self._turns.prolong(self._session_id, self._id, self._seconds)
        except PyMongoError:
            return  # tried again, until the lease has expired, and after that
        if is_held:
            self._since = since
        else:
            self._is_lost = True


class Turns(Ownership):
    """The method of a session that makes runs take turns."""

    def turn(self, *, wait: float = 0, lease: float = 30.0) -> Turn:
        """One run at a time: a lease on the session, for an ``async with`` block. Optional.

        ::

            async with session.turn():
                await Runner.run(agent, message, session=session)

        The lease is prolonged in the background while the block runs. If its process is killed,
        another turn can begin after at most ``lease`` seconds, by the server's clock. It does not
        lock the session: whoever asks for no turn reads and writes as always. It is not reentrant:
        a turn inside another one of the same session is refused.

        The lease is in the second collection of the store, ``<collection>_cards``, on which the
        user needs the rights ``find``, ``insert`` and ``update``.

        Args:
            wait: Seconds to wait for the end of another turn. Turns that wait are served in no
                particular order.
            lease: Seconds; at least 1. Longer than the event loop is ever blocked.

        Raises:
            SessionBusy: another turn holds the lease. On entering the block.
            ValueError: an argument is out of range.
        """
        return Turn(self.session_id, self._log, wait=wait, lease=lease)
