"""Token counts by the content of items: the same items are counted again and again in a run."""

from __future__ import annotations

import asyncio
import json
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING

from .policies.checks import checked_count

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .policies import Item, TokenCounter

# A counter takes about 25 µs per KB: more would block the event loop.
_COUNT_IN_THREAD_BYTES = 64 * 1024
_MOST_COUNTS = 10_000
"""About a megabyte. Twice the items of the longest list, if that is more."""


class CachedCounts:
    """A token counter that remembers the counts of ``counter``. An item is known by its JSON.

    The counts that were used longest ago are forgotten.

    Raises:
        ValueError: ``counter`` returned anything but a whole number from 0 up.
    """

    def __init__(self, counter: TokenCounter) -> None:
        self._counter = counter
        self._counts: dict[bytes, int] = {}
        self._most = _MOST_COUNTS
        self._counter_is_loaded = False

    def __call__(self, item: Item, /) -> int:
        key = content_key(item)
        if (count := self._counts.get(key)) is None:
            count = checked_count(self._counter(item))
            self._remember({key: count})
        return count

    async def prepare(self, items: Iterable[Item]) -> None:
        """Count the items that are not known: many or long ones in a thread."""
        known: dict[bytes, int] = {}
        new: dict[bytes, Item] = {}
        size = 0
        for item in items:
            encoded = _encoded(item)
            key = _key(encoded)
            if (count := self._counts.pop(key, None)) is not None:
                known[key] = count
            elif key not in known and key not in new:
                new[key] = item
                size += len(encoded)
        self._most = max(self._most, 2 * (len(known) + len(new)))
        self._counts |= known  # at the end, with the newest
        if self._counter_is_loaded and size < _COUNT_IN_THREAD_BYTES:
            counts = self._count(new)
        else:
            counts = await asyncio.to_thread(self._count, new)
            self._counter_is_loaded = True
        self._remember(counts)

    def _count(self, items: dict[bytes, Item]) -> dict[bytes, int]:
        return {key: checked_count(self._counter(item)) for key, item in items.items()}

    def _remember(self, counts: dict[bytes, int]) -> None:
        self._counts |= counts
        excess = max(0, len(self._counts) - self._most)
        for key in list(islice(self._counts, excess)):
            del self._counts[key]


def content_key(item: Item) -> bytes:
    """Equal for items with the same JSON, and only for these."""
    return _key(_encoded(item))


def _encoded(item: Item) -> bytes:
    # An item of an application may hold other objects than JSON has: repr is for the key alone.
    return json.dumps(item, ensure_ascii=False, default=repr).encode("utf-8", "surrogatepass")


def _key(encoded: bytes) -> bytes:
    return blake2b(encoded, digest_size=16).digest()
