"""Detects that a session was counted by another token counter than the store's."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..log.documents import decode

if TYPE_CHECKING:
    from ..log.documents import Document
    from ..policies import Item
    from .counting import Counting

logger = logging.getLogger("mongo_sessions")

# An item with more characters and values than this is not counted again: a counter takes about
# 25 µs per KB, and the check is made for each session object.
_LONGEST = 8_192


class CountCheck:
    """Counts one stored item of a session again, and warns once per store."""

    def __init__(self, counting: Counting) -> None:
        self._counting = counting
        self._has_warned = False

    async def check(self, session_id: str, document: Document) -> bool:
        """Compare the count of this document; return False if it is too long to be counted."""
        stored = document.get("tokens")
        if self._has_warned or stored is None:
            return True
        item = decode(document["item"])
        if (size := _size(item)) > _LONGEST:
            return False
        (count,) = await self._counting.all([item], size)
        if count not in (None, stored) and not self._has_warned:
            self._has_warned = True
            logger.warning(
                "The newest item of session %r was stored as %d tokens, and token_counter says %d: "
                "until `await store.recount()` has counted what is stored again, token budgets "
                "do not hold (logged once)",
                session_id,
                stored,
                count,
            )
        return True


def _size(item: Item) -> int:
    """Characters and values in an item; more than ``_LONGEST`` if it is too long."""
    size = 0
    pending: list[object] = [item]
    while pending and size <= _LONGEST:
        value = pending.pop()
        size += len(value) if isinstance(value, (str, dict, list)) else 1
        if size <= _LONGEST and isinstance(value, (dict, list)):
            pending.extend(value.values() if isinstance(value, dict) else value)
    return size
