"""The newest part of the history that fits into a number of tokens."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .checks import check_whole_number
from .cuts import allowed_cuts, may_start, valid

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .cuts import Cut
    from .policy import Entry, History, Item

logger = logging.getLogger("mongo_sessions")


class TokenLimit:
    """Show the newest items, at most ``max_tokens`` of them.

    The window does not slide: it starts at an absolute position and moves on by ``block_tokens``
    only when it is full. In between, every prompt begins with the whole of the previous one, which
    is what a provider's prompt cache needs. So a view holds between ``max_tokens`` less two blocks
    and ``max_tokens``. It starts at a user message if there is one within the block, and otherwise
    at a model response.

    Args:
        max_tokens: Budget of the history, as the store's token counter counts. Instructions,
            tools and the new input come on top.
        block_tokens: How far the window moves at a time: at most half of ``max_tokens``,
            a quarter of it by default.

    The newest group (the last message, or the last model response with its tool outputs) is shown
    even if it alone is over the budget: a turn without its own context would be worse. A warning is
    logged the first time.
    """

    def __init__(self, max_tokens: int, *, block_tokens: int | None = None) -> None:
        check_whole_number("max_tokens", max_tokens, at_least=1)
        if block_tokens is None:
            block_tokens = max(1, max_tokens // 4)
        check_whole_number("block_tokens", block_tokens, at_least=1)
        if block_tokens > max(1, max_tokens // 2):
            raise ValueError(
                f"block_tokens must be at most half of max_tokens ({max_tokens}), "
                f"got {block_tokens!r}"
            )
        self.max_tokens = max_tokens
        self.block_tokens = block_tokens
        self._warned = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.max_tokens}, block_tokens={self.block_tokens})"

    async def __call__(self, history: History) -> list[Item]:
        return await self.newest(history.newest_first())

    async def newest(self, entries: AsyncIterator[Entry]) -> list[Item]:
        """What is shown of ``entries``, newest first; no more of them are read than needed."""
        window: list[Entry] = []  # newest first
        start = spent = 0
        is_full = False
        async for entry in entries:
            if not window:
                start = self._window_start(entry.total_tokens)
            spent += entry.tokens
            # The sum is watched, too: it holds even where a running total does not.
            if entry.tokens_before < start or spent > self.max_tokens:
                # Without a cut in the window that is just full, it grows to the next one.
                if not is_full or may_start(window[-1].item, previous=entry.item):
                    shown = self._cut(window, start, before=entry.item)
                    if shown:
                        return shown
                is_full = bool(window)
            window.append(entry)
        return self._valid(window[::-1])

    def _cut(self, window: list[Entry], start: int, before: Item) -> list[Item]:
        """What is to be shown of a window that is full; nothing if it cannot be cut."""
        entries = window[::-1]
        cuts = allowed_cuts([entry.item for entry in entries], before)
        return self._valid(entries[self._preferred(cuts, entries, start) :]) if cuts else []

    def _window_start(self, total_tokens: int) -> int:
        """The running total at which the window starts: a multiple of the block."""
        blocks = -((self.max_tokens - total_tokens) // self.block_tokens)
        return max(0, blocks) * self.block_tokens

    def _preferred(self, cuts: list[Cut], entries: list[Entry], start: int) -> int:
        """The first turn start within a block of ``start``, otherwise the first cut.

        Not the first turn start wherever it is: inside one huge turn, that would drop all of it
        at the next user message.
        """
        for position, starts_turn in cuts:
            if starts_turn and entries[position].tokens_before < start + self.block_tokens:
                return position
        return cuts[0].position

    def _valid(self, entries: list[Entry]) -> list[Item]:
        shown = valid([entry.item for entry in entries])
        ids = {id(item) for item in shown}
        tokens = sum(entry.tokens for entry in entries if id(entry.item) in ids)
        if tokens > self.max_tokens and not self._warned:
            self._warned = True
            logger.warning(
                "The newest group of a session has %d tokens and is shown whole, "
                "although max_tokens is %d (logged once)",
                tokens,
                self.max_tokens,
            )
        return shown
