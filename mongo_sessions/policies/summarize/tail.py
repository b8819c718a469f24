"""The tail: the items after the newest summary, and the window that is shown of them."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ..late_outputs import complete_window
from ..token_limit import TokenLimit
from ..view import CutReason
from ..window import Stretch
from .block import latest_anchor
from .segments import from_summary

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..policy import Entry, History
    from ..window import Window
    from .budget import Budget


class Tail(NamedTuple):
    """The newest items, and the item that carries the summary of everything before them."""

    window: Window
    """The shown part of the items after the anchor."""
    anchor: Entry | None
    tokens: int
    """Of all items after the anchor, shown or not."""
    newest: Entry | None = None
    """The newest item after the anchor."""


class TailReader:
    """Reads tails within the verbatim tokens of a budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._window = TokenLimit(budget.verbatim_tokens)
        self.block_tokens = self._window.block_tokens

    async def read(self, history: History, *, is_again: bool = False) -> Tail:
        """Read backwards to the newest summary, or until the window is full."""
        unfolded = _Unfolded(history)
        read: list[Entry] = []
        tokens = 0
        async for entry in unfolded:
            read.append(entry)
            tokens += entry.tokens
            if tokens > self._budget.verbatim_tokens:
                return await self._cut(history, read, unfolded, is_again=is_again)
        newest = read[0] if read else unfolded.anchor
        total_tokens = newest.total_tokens if newest else 0
        history.skip_maintenance_until(total_tokens + self._budget.due_tokens - tokens)
        window = await complete_window(history, Stretch(read[::-1]), 0)
        if window.tokens <= self._budget.verbatim_tokens:
            whole = replace(window, reason=CutReason.WHOLE)
            return Tail(whole, unfolded.anchor, tokens, read[0] if read else None)
        # The items fit, but not with the earlier calls that late outputs need.
        unfolded.put_back(read)
        window = await self._window.window(history, unfolded)
        return Tail(window, unfolded.anchor, tokens, read[0])

    async def _cut(
        self, history: History, read: list[Entry], older: _Unfolded, *, is_again: bool
    ) -> Tail:
        newest, oldest = read[0], read[-1]
        history.skip_maintenance_until(0)  # a fold is due, also if a summary was forgotten
        older.put_back(read)
        window = await self._window.window(history, older)
        anchor = older.anchor
        if not older.has_ended:
            anchor = await latest_anchor(history)
            is_new = anchor is not None and anchor.seq >= oldest.seq  # made since the read began
            if is_new and not is_again:  # once: the entries may never show it
                return await self.read(history, is_again=True)
        # Items that were stored without counts are not part of the totals.
        unfolded = newest.total_tokens - (anchor.total_tokens if anchor else 0)
        tokens = max(unfolded, sum(entry.tokens for entry in read))
        return Tail(window, anchor, tokens, newest)


class _Unfolded:
    """The entries after the newest summary, newest first."""

    def __init__(self, history: History) -> None:
        self._older = history.newest_first()
        self._put_back: deque[Entry] = deque()
        self.anchor: Entry | None = None
        """The item with that summary, if there is one. Set when the iteration has ended."""
        self.has_ended = False

    def put_back(self, entries: list[Entry]) -> None:
        """Yield these entries again, before any unread entry."""
        self._put_back.extend(entries)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Entry:
        if self._put_back:
            return self._put_back.popleft()
        entry = None if self.has_ended else await anext(self._older, None)
        if entry is None:
            self.has_ended = True
        elif from_summary(entry.summary):
            self.anchor, self.has_ended = entry, True
        else:
            return entry
        raise StopAsyncIteration
