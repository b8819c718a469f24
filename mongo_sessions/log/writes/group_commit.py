"""Group commit: concurrent appends to one session in this process become one write.

Separate writes would conflict: the unique index would refuse all but one, which then retry.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect
from contextvars import Context
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple, Protocol
from weakref import WeakValueDictionary

from pymongo.errors import ExecutionTimeout, PyMongoError

from ...errors import SessionDeleted
from ..server.retries import is_transient, is_write_conflict
from ..server.retry_listener import retry_listener, tell_each

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..documents import Head, NewItem
    from ..server.retry_listener import RetryListener

    class Append(Protocol):
        """Writes a batch, all or nothing, within ``seconds``."""

        async def __call__(
            self,
            session_id: str,
            items: Sequence[NewItem],
            head: Head | None,
            seconds: float,
            since: int | None,
        ) -> Head | None: ...


class GroupLimits(NamedTuple):
    """The upper bounds of a group of batches. A single batch may exceed them."""

    items: int
    size: int
    """In bytes."""


NO_GROUPS = GroupLimits(0, 0)


@dataclass(eq=False)
class _Batch:
    items: Sequence[NewItem]
    head: Head | None
    """The newest item that its writer knows."""
    since: int | None
    """The newest place that its run has seen; None if it belongs to no known run."""
    deadline: float
    listener: RetryListener | None
    """Of the append: the task of the group runs in another context."""
    written: asyncio.Future[Head | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    @property
    def size(self) -> int:
        return sum(item.size for item in self.items)

    @property
    def seconds_left(self) -> float:
        return self.deadline - time.monotonic()

    def succeed(self, head: Head | None) -> None:
        if not self.written.done():
            self.written.set_result(head)

    def fail(self, error: BaseException) -> None:
        if self.written.done():
            return
        if isinstance(error, asyncio.CancelledError):
            self.written.cancel()
        else:
            self.written.set_exception(error)


class GroupCommit:
    """The queue of the batches of one session. A batch waits ``retry_for`` seconds at most."""

    def __init__(
        self, session_id: str, append: Append, *, limits: GroupLimits, retry_for: float
    ) -> None:
        self._session_id = session_id
        self._append = append
        self._limits = limits
        self._retry_for = retry_for
        self._waiting: list[_Batch] = []
        self._writer: asyncio.Task[None] | None = None
        self._head: Head | None = None
        self._last_error: Exception | None = None

    async def add(
        self, items: Sequence[NewItem], head: Head | None, since: int | None = None
    ) -> Head | None:
        """Append a batch; return the new head if it is known. See :meth:`Appender.append`."""
        deadline = time.monotonic() + self._retry_for
        batch = _Batch(items, head, since, deadline, retry_listener.get())
        self._waiting.append(batch)
        if self._writer is None:
            # In an empty context: it also writes batches of callers with other deadlines.
            loop = asyncio.get_running_loop()
            self._writer = Context().run(loop.create_task, self._write_all())
            self._writer.add_done_callback(self._clean_up_after)
        try:
            return await batch.written
        finally:
            if batch in self._waiting:  # cancelled before its turn
                self._waiting.remove(batch)

    async def _write_all(self) -> None:
        while self._waiting:
            self._give_up_the_late()
            if group := self._next_group():
                await self._write(group)
        self._writer = None

    def _clean_up_after(self, writer: asyncio.Task[None]) -> None:
        """Cancel the waiting batches if the writer was cancelled, perhaps before its start.

        This happens when the event loop ends, which cancels all tasks.
        """
        if self._writer is writer:
            self._writer = None
            for batch in self._waiting:
                batch.fail(asyncio.CancelledError())

    def _give_up_the_late(self) -> None:
        """Fail the batches whose deadline has passed; none of their items were written.

        The error is that of the last write, if it failed.
        """
        late = [batch for batch in self._waiting if batch.seconds_left <= 0]
        for batch in late:
            self._waiting.remove(batch)
            batch.fail(
                self._last_error or ExecutionTimeout("earlier writes to this session took too long")
            )

    def _next_group(self) -> list[_Batch]:
        """Take the oldest batches that fit into one group.

        After a failed write, take one batch alone: its deadline is the earliest, and a group has
        the earliest deadline of its batches.
        """
        if self._last_error is not None:
            group, self._waiting = self._waiting[:1], self._waiting[1:]
            return group
        items = list(accumulate(len(batch.items) for batch in self._waiting))
        sizes = list(accumulate(batch.size for batch in self._waiting))
        end = max(1, min(bisect(items, self._limits.items), bisect(sizes, self._limits.size)))
        group, self._waiting = self._waiting[:end], self._waiting[end:]
        return group

    async def _write(self, group: list[_Batch]) -> None:
        head, self._head = self._head or group[0].head, None
        items = [item for batch in group for item in batch.items]
        seconds = min(batch.seconds_left for batch in group)
        # If the oldest was not noticed, none was. Otherwise each batch is written alone.
        since = min((batch.since for batch in group if batch.since is not None), default=None)
        retry_listener.set(tell_each(batch.listener for batch in group))
        try:
            self._head = await self._append(self._session_id, items, head, seconds, since)
        except BaseException as error:
            self._last_error = None
            if isinstance(error, Exception) and not isinstance(error, SessionDeleted):
                self._last_error = error
            try:
                if len(group) > 1 and _is_about_the_items(error):
                    await self._write_each(group)
            finally:
                for batch in group:  # a batch that has its own outcome keeps it
                    batch.fail(error)
            if not isinstance(error, Exception):
                raise
        else:
            self._last_error = None
            for batch in group:
                batch.succeed(self._head)

    async def _write_each(self, group: list[_Batch]) -> None:
        """Write each batch alone: the server may refuse one, for instance by a validator."""
        for batch in group:
            await self._write([batch])


def _is_about_the_items(error: BaseException) -> bool:
    if isinstance(error, PyMongoError):
        return not is_transient(error) and not is_write_conflict(error)
    return isinstance(error, Exception)


class GroupCommits:
    """The queues of all sessions of one client. A queue exists while a caller waits in it."""

    def __init__(self, append: Append, *, limits: GroupLimits, retry_for: float) -> None:
        self._append = append
        self._limits = limits
        self._retry_for = retry_for
        self._queues: WeakValueDictionary[str, GroupCommit] = WeakValueDictionary()

    async def add(
        self,
        session_id: str,
        items: Sequence[NewItem],
        head: Head | None,
        since: int | None = None,
    ) -> Head | None:
        queue = self._queues.get(session_id)
        if queue is None:
            queue = self._queues[session_id] = GroupCommit(
                session_id, self._append, limits=self._limits, retry_for=self._retry_for
            )
        return await queue.add(items, head, since)
