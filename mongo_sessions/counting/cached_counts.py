"""Token counts by the content of items: the same items are counted again and again in a run."""

from __future__ import annotations

import json
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, cast

from ..policies.checks import checked_count
from .counting import Counting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..policies import Item, TokenCounter

_MOST_COUNTS = 10_000
"""About a megabyte. Twice the items of the longest list, if that is more."""


class CachedCounts:
    """A token counter that remembers the counts of ``counter``. An item is known by its JSON.

    The counts that were used longest ago are forgotten.

    Raises:
        ValueError: ``counter`` returned anything but a whole number from 0 up.
    """

    def __init__(self, counter: TokenCounter) -> None:
        self._counting = Counting(counter)
        self._counts: dict[bytes, int] = {}
        self._most = _MOST_COUNTS

    def __call__(self, item: Item, /) -> int:
        key = content_key(item)
        if (count := self._counts.get(key)) is None:
            count = checked_count(self._counting.one(item))
            self._remember({key: count})
        return count

    async def prepare(self, items: Iterable[Item]) -> TokenCounter:
        """Count the items that are not known: many or long ones in a thread.

        Returns a counter that knows these objects without encoding them again. Keep it no longer
        than them.
        """
        keys: dict[int, bytes] = {}
        counts: dict[bytes, int] = {}
        new: dict[bytes, Item] = {}
        size = 0
        for item in items:
            encoded = _encoded(item)
            key = keys[id(item)] = _key(encoded)
            if (known := self._counts.pop(key, None)) is not None:
                counts[key] = known
            elif key not in counts and key not in new:
                new[key] = item
                size += len(encoded)
        self._most = max(self._most, 2 * (len(counts) + len(new)))
        self._counts |= counts  # at the end, with the newest
        counted = cast("list[int]", await self._counting.all(list(new.values()), size))
        made = dict(zip(new, counted, strict=True))
        self._remember(made)
        counts |= made
        by_object = {one: counts[key] for one, key in keys.items()}

        def count(item: Item, /) -> int:
            tokens = by_object.get(id(item))
            return self(item) if tokens is None else tokens

        return count

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
