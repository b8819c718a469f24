"""A history over a plain list: for unit tests of a policy, and for use without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from .cuts import starts_turn
from .policy import Entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from .policy import Item, Summary
    from .tokens import TokenCounter


class ListHistory:
    """A :class:`History` over items in memory, numbered and counted as the store does it."""

    def __init__(self, items: Iterable[Item], *, token_counter: TokenCounter) -> None:
        self.count_tokens = token_counter
        self.entries: list[Entry] = []
        self._claims: dict[int, datetime] = {}
        total_tokens = turn = 0
        for seq, item in enumerate(items, 1):
            tokens = token_counter(item)
            total_tokens += tokens
            turn += starts_turn(item)
            now = datetime.now(timezone.utc)
            self.entries.append(Entry(seq, item, tokens, total_tokens, turn, now))

    async def newest_first(self) -> AsyncIterator[Entry]:
        for entry in reversed(self.entries):
            yield entry

    async def oldest_first(self, after_seq: int = 0) -> AsyncIterator[Entry]:
        for entry in self.entries[after_seq:]:
            yield entry

    async def latest_summary(self) -> Entry | None:
        return next((e for e in reversed(self.entries) if e.summary is not None), None)

    async def claim(self, entry: Entry, seconds: float) -> bool:
        now = datetime.now(timezone.utc)
        if self._summarised(entry) or self._claims.get(entry.seq, now) > now:
            return False
        self._claims[entry.seq] = now + timedelta(seconds=seconds)
        return True

    async def save_summary(self, entry: Entry, summary: Summary) -> bool:
        if self._summarised(entry):
            return False
        self.entries[entry.seq - 1] = replace(entry, summary=summary)
        return True

    def _summarised(self, entry: Entry) -> bool:
        return self.entries[entry.seq - 1].summary is not None
