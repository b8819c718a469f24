"""Appends of one session in one process: those that come while another is written go together.

Each would otherwise be refused because of the one before, and be tried again.
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

from .retries import is_transient, is_write_conflict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .documents import Head, NewItem

    class Append(Protocol):
        """Writes a batch, all or nothing, within so many seconds."""

        async def __call__(
            self, session_id: str, items: Sequence[NewItem], head: Head | None, seconds: float
        ) -> Head | None: ...


class GroupLimits(NamedTuple):
    """How much is written as one, unless it is one batch."""

    items: int
    size: int
    """In bytes."""


NO_GROUPS = GroupLimits(0, 0)


@dataclass(eq=False)
class _Batch:
    items: Sequence[NewItem]
    head: Head | None
    """What its writer takes for the newest item."""
    deadline: float
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
    """Batches of one session that wait for each other, for ``retry_for`` seconds at most."""

    def __init__(
        self, session_id: str, append: Append, *, together: GroupLimits, retry_for: float
    ) -> None:
        self._session_id = session_id
        self._append = append
        self._together = together
        self._retry_for = retry_for
        self._waiting: list[_Batch] = []
        self._writer: asyncio.Task[None] | None = None
        self._head: Head | None = None
        self._last_error: Exception | None = None

    async def add(self, items: Sequence[NewItem], head: Head | None) -> Head | None:
        """Append a batch; return the new head if it is known."""
        batch = _Batch(items, head, time.monotonic() + self._retry_for)
        self._waiting.append(batch)
        if self._writer is None:
            # In a context of its own: it writes for others, too, whose deadline is another.
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
        """If it was cancelled, it may be before it began: the event loop ends, with all in it."""
        if self._writer is writer:
            self._writer = None
            for batch in self._waiting:
                batch.fail(asyncio.CancelledError())

    def _give_up_the_late(self) -> None:
        """Nothing of them was written: with the error that held up those before, if any."""
        late = [batch for batch in self._waiting if batch.seconds_left <= 0]
        for batch in late:
            self._waiting.remove(batch)
            batch.fail(
                self._last_error or ExecutionTimeout("others wrote to this session meanwhile")
            )

    def _next_group(self) -> list[_Batch]:
        """The oldest, and what may be written with it.

        While writing fails, nothing is: each has its own time, and the oldest the least.
        """
        if self._last_error is not None:
            group, self._waiting = self._waiting[:1], self._waiting[1:]
            return group
        items = list(accumulate(len(batch.items) for batch in self._waiting))
        sizes = list(accumulate(batch.size for batch in self._waiting))
        together = bisect(items, self._together.items), bisect(sizes, self._together.size)
        end = max(1, min(together))
        group, self._waiting = self._waiting[:end], self._waiting[end:]
        return group

    async def _write(self, group: list[_Batch]) -> None:
        head, self._head = self._head or group[0].head, None
        items = [item for batch in group for item in batch.items]
        seconds = min(batch.seconds_left for batch in group)
        try:
            self._head = await self._append(self._session_id, items, head, seconds)
        except BaseException as error:
            self._last_error = error if isinstance(error, Exception) else None
            try:
                if len(group) > 1 and _is_about_the_items(error):
                    await self._write_each(group)
            finally:
                for batch in group:  # those that have no outcome of their own
                    batch.fail(error)
            if not isinstance(error, Exception):
                raise
        else:
            self._last_error = None
            for batch in group:
                batch.succeed(self._head)

    async def _write_each(self, group: list[_Batch]) -> None:
        """One of them may be refused, by a validator, say: not because of the others."""
        for batch in group:
            await self._write([batch])


def _is_about_the_items(error: BaseException) -> bool:
    if isinstance(error, PyMongoError):
        return not is_transient(error) and not is_write_conflict(error)
    return isinstance(error, Exception)


class GroupCommits:
    """The queues of all sessions of one client: each is there while somebody waits in it."""

    def __init__(self, append: Append, *, together: GroupLimits, retry_for: float) -> None:
        self._append = append
        self._together = together
        self._retry_for = retry_for
        self._queues: WeakValueDictionary[str, GroupCommit] = WeakValueDictionary()

    async def add(
        self, session_id: str, items: Sequence[NewItem], head: Head | None
    ) -> Head | None:
        queue = self._queues.get(session_id)
        if queue is None:
            queue = self._queues[session_id] = GroupCommit(
                session_id, self._append, together=self._together, retry_for=self._retry_for
            )
        return await queue.add(items, head)
