"""Appends of one session in one process: those that come while another is written go together.

Each would otherwise be refused because of the one before, and be tried again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakValueDictionary

from pymongo.errors import PyMongoError

from .retries import is_passing, lost_the_race

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .documents import Head, NewItem

    Append: TypeAlias = Callable[[str, Sequence[NewItem], Head | None], Awaitable[Head | None]]


@dataclass(eq=False)
class _Batch:
    items: Sequence[NewItem]
    head: Head | None
    """Before: what its writer takes for the newest item. Afterwards: what is known to be that."""
    error: BaseException | None = None
    is_settled: bool = False


class AppendQueue:
    """Batches of one session that wait for each other.

    Args:
        append: Writes a batch, all or nothing.
        items_together: Up to how many items batches are written as one. One batch may have more.
    """

    def __init__(self, session_id: str, append: Append, items_together: int) -> None:
        self._session_id = session_id
        self._append = append
        self._items_together = items_together
        self._waiting: list[_Batch] = []
        self._lock = asyncio.Lock()
        self._head: Head | None = None

    async def add(self, items: Sequence[NewItem], head: Head | None) -> Head | None:
        """Append a batch; return the new head if it is known."""
        batch = _Batch(items, head)
        self._waiting.append(batch)
        async with self._lock:  # first come, first served
            if not batch.is_settled:
                await self._write(self._next_group())
        if batch.error is not None:
            raise batch.error
        return batch.head

    def _next_group(self) -> list[_Batch]:
        group, items = [self._waiting.pop(0)], 0
        while self._waiting:
            items += len(group[-1].items)
            if items + len(self._waiting[0].items) > self._items_together:
                break
            group.append(self._waiting.pop(0))
        return group

    async def _write(self, group: list[_Batch]) -> None:
        head = self._head or group[0].head
        items = [item for batch in group for item in batch.items]
        try:
            self._head = await self._append(self._session_id, items, head)
        except BaseException as error:
            self._head = None
            if len(group) > 1 and _is_about_the_items(error):
                for batch in group:
                    await self._write([batch])
                return
            for batch in group:
                batch.error, batch.is_settled = error, True
            if not isinstance(error, Exception):
                raise
        else:
            for batch in group:
                batch.head, batch.is_settled = self._head, True


def _is_about_the_items(error: BaseException) -> bool:
    """Whether one batch may be refused, by a validator, say, and the others not."""
    return isinstance(error, PyMongoError) and not is_passing(error) and not lost_the_race(error)


class AppendQueues:
    """The queues of all sessions of one client: each is there while somebody waits in it."""

    def __init__(self, append: Append, items_together: int) -> None:
        self._append = append
        self._items_together = items_together
        self._queues: WeakValueDictionary[str, AppendQueue] = WeakValueDictionary()

    async def add(
        self, session_id: str, items: Sequence[NewItem], head: Head | None
    ) -> Head | None:
        queue = self._queues.get(session_id)
        if queue is None:
            queue = AppendQueue(session_id, self._append, self._items_together)
            self._queues[session_id] = queue
        return await queue.add(items, head)
