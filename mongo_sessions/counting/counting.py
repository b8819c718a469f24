"""Counting the tokens of items: a short batch in place, a long one in a thread."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..policies.checks import checked_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..policies import Item, TokenCounter

# A counter takes about 25 µs per KB: a longer batch would block the event loop.
_COUNT_IN_THREAD_BYTES = 64 * 1024


class Counting:
    """A store's token counter; with None, nothing is counted."""

    def __init__(self, counter: TokenCounter | None) -> None:
        self._counter = counter
        self._counter_is_loaded = False

    @property
    def is_on(self) -> bool:
        return self._counter is not None

    def one(self, item: Item, /) -> int:
        """Tokens of one item; 0 without a counter."""
        return 0 if self._counter is None else self._counter(item)

    async def all(self, items: Sequence[Item], size: int) -> Sequence[int | None]:
        """Tokens of each item; None without a counter. ``size`` is that of all items, in bytes.

        Raises:
            ValueError: the counter returned anything but a whole number from 0 up.
        """
        counter = self._counter
        if counter is None:
            return [None] * len(items)
        if self._counter_is_loaded and size < _COUNT_IN_THREAD_BYTES:
            counts = [counter(item) for item in items]
        else:
            counts = await asyncio.to_thread(lambda: [counter(item) for item in items])
            self._counter_is_loaded = True
        return [checked_count(count) for count in counts]
