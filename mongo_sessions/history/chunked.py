"""Entries of a session, read a chunk at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..first_chunks import DEFAULT
from .session_log import LARGEST_CHUNK

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from typing_extensions import Self

    from ..log.documents import Document
    from ..log.places import Page
    from ..policies import Entry

# Documents of a first chunk beyond the need of the last view: a turn is added between two views.
_MOST_ROOM = 16


class Chunked:
    """Entries, read a chunk at a time.

    Not a generator: an unfinished one has to be closed by its event loop, which may have ended.
    """

    def __init__(
        self,
        read: Callable[[int, int | None], Awaitable[Page]],
        convert: Callable[[list[Document]], Awaitable[Iterator[Entry]]],
        seq: int | None,
        first_chunk: int,
    ) -> None:
        self._read = read
        self._convert = convert
        self._chunk = first_chunk
        self._entries: Iterator[Entry] = iter(())
        self._seq = seq
        self._has_ended = False
        self._asked_for = self._found = self._taken = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Entry:
        entry = next(self._entries, None)
        while entry is None and not self._has_ended:
            await self._read_chunk()
            entry = next(self._entries, None)
        if entry is None:
            raise StopAsyncIteration
        self._taken += 1
        return entry

    async def _read_chunk(self) -> None:
        page = await self._read(self._chunk, self._seq)
        self._seq, self._has_ended = page.last_seq, page.last_seq is None
        self._asked_for += self._chunk
        self._found += len(page.documents)
        # After a first chunk that was too small, no more round trips than after the default.
        self._chunk = min(max(2 * self._chunk, DEFAULT), LARGEST_CHUNK)
        self._entries = await self._convert(page.documents)

    @property
    def size_in_one_chunk(self) -> int:
        """The size of a first chunk that makes this one round trip, with room for a turn."""
        unread = self._found - self._taken
        if self._has_ended and not unread:
            # More than a shorter session has, which costs nothing.
            return min(self._asked_for, LARGEST_CHUNK)
        # Documents without an item count if they are in front of the items.
        needed = self._taken if self._has_ended else self._asked_for - unread
        return min(needed + min(needed // 2 + 4, _MOST_ROOM), LARGEST_CHUNK)
