"""Token counts by the content of items: the same items are counted again and again in a run."""

from __future__ import annotations

import asyncio
import json
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .policies import Item, TokenCounter

# A counter takes about 25 µs per KB: more would block the event loop.
_COUNT_IN_THREAD_BYTES = 64 * 1024
_MOST_COUNTS = 10_000
"""About a megabyte."""


class CachedCounts:
    """A token counter that remembers the counts of ``counter``. An item is known by its JSON."""

    def __init__(self, counter: TokenCounter) -> None:
        self._counter = counter
        self._counts: dict[bytes, int] = {}
        self._counter_is_loaded = False

    def __call__(self, item: Item, /) -> int:
        key = _key(_encoded(item))
        if (count := self._counts.get(key)) is None:
            count = self._counter(item)
            self._remember({key: count})
        return count

    async def prepare(self, items: Iterable[Item]) -> None:
        """Count the items that are not known: many or long ones in a thread."""
        new: dict[bytes, Item] = {}
        size = 0
        for item in items:
            encoded = _encoded(item)
            key = _key(encoded)
            if key not in self._counts and key not in new:
                new[key] = item
                size += len(encoded)
        if self._counter_is_loaded and size < _COUNT_IN_THREAD_BYTES:
            counts = self._count(new)
        else:
            counts = await asyncio.to_thread(self._count, new)
            self._counter_is_loaded = True
        self._remember(counts)

    def _count(self, items: dict[bytes, Item]) -> dict[bytes, int]:
        return {key: self._counter(item) for key, item in items.items()}

    def _remember(self, counts: dict[bytes, int]) -> None:
        if len(self._counts) + len(counts) > _MOST_COUNTS:
            self._counts.clear()
        self._counts |= counts


def _encoded(item: Item) -> bytes:
    # An item of an application may hold other objects than JSON has: repr is for the key alone.
    return json.dumps(item, ensure_ascii=False, default=repr).encode("utf-8", "surrogatepass")


def _key(encoded: bytes) -> bytes:
    return blake2b(encoded, digest_size=16).digest()
