"""The newest part of the history that fits into a number of tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .checks import check_whole_number
from .cuts import CutKind, cut_kind
from .late_outputs import complete_window, earlier_calls
from .logger import logger
from .window import Stretch, Window

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from .cuts import Cut
    from .policy import Entry, History, Item


class TokenLimit:
    """Show the newest items, at most ``max_tokens`` of them.

    The window does not slide: it starts at an absolute position and moves on by ``block_tokens``
    only when it is full. In between, every prompt begins with the whole of the previous one, which
    is what a provider's prompt cache needs. It starts at a user message if there is one within a
    block, or a quarter of ``max_tokens`` if that is less; otherwise at a model response; otherwise
    at any item that can stand first. So a view of a long history holds at least three eighths of
    ``max_tokens``, and three quarters on the average. An output whose call lies before the window
    brings the call along.

    Args:
        max_tokens: Budget of the history, as the store's token counter counts. Instructions,
            tools and the new input come on top.
        block_tokens: How far the window moves at a time: at most half of ``max_tokens``, three
            eighths of it by default. A larger block means a longer stand, so more of a prompt is
            in the cache, and a smaller view.

    The newest group (one item, or one model response with its calls and outputs) is shown even if
    it alone is over the budget: a turn without its own context would be worse. A warning is logged
    the first time.
    """

    def __init__(self, max_tokens: int, *, block_tokens: int | None = None) -> None:
        check_whole_number("max_tokens", max_tokens, at_least=1)
        if block_tokens is None:
            block_tokens = max(1, max_tokens * 3 // 8)
        check_whole_number("block_tokens", block_tokens, at_least=1)
        if block_tokens > max(1, max_tokens // 2):
            raise ValueError(
                f"block_tokens must be at most half of max_tokens ({max_tokens}), "
                f"got {block_tokens!r}"
            )
        self.max_tokens = max_tokens
        self.block_tokens = block_tokens
        self._reach = min(block_tokens, max(1, max_tokens // 4))
        self._warned = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.max_tokens}, block_tokens={self.block_tokens})"

    async def __call__(self, history: History, /) -> list[Item]:
        return (await self.window(history, history.newest_first())).items

    async def window(self, history: History, newest_first: AsyncIterator[Entry]) -> Window:
        """What is shown of these entries. No more of them are read than needed."""
        read: list[Entry] = []  # newest first
        start = spent = 0
        next_attempt = 1
        is_broken = False
        async for entry in newest_first:
            if not read:
                start = self._window_start(entry.total_tokens)
            spent += entry.tokens
            # The sum is watched, too: it holds even where a running total does not.
            is_full = entry.tokens_before < start or spent > self.max_tokens
            if is_full and (
                len(read) >= next_attempt or (not is_broken and _is_group(read, before=entry))
            ):
                # Of a broken history, what is over the budget may be what is not valid.
                first = 0 if is_broken else start
                window = await self._cut(history, read[::-1], first, before=entry.item)
                if window is not None and window.entries:
                    return window
                # Each attempt looks at all that was read, so the next one waits for twice as much.
                next_attempt = 2 * len(read)
                is_broken = is_broken or window is not None
            read.append(entry)
        whole = await complete_window(history, Stretch(read[::-1]), 0)
        if whole.tokens <= self.max_tokens:
            return replace(whole, is_whole=True)
        first = 0 if is_broken else start
        return await self._cut(history, read[::-1], first, before=None) or Window([])

    async def _cut(
        self, history: History, entries: list[Entry], start: int, before: Item | None
    ) -> Window | None:
        """What is shown of entries that are too many; None if there is no place for a cut."""
        stretch = Stretch(entries)
        if next(stretch.cuts(before), None) is None:
            return None
        first = self._preferred(stretch.cuts(before), entries, start).position
        # Later windows are parts of the first one, and answer no other calls.
        calls = await earlier_calls(history, stretch, first)
        complete, offset = Stretch([*calls, *entries]) if calls else stretch, len(calls)
        largest = complete.window(offset + first)
        if largest.tokens <= self.max_tokens:
            return largest
        cuts = list(stretch.cuts(before))
        for later in self._later_starts(start, entries[-1].total_tokens):
            position = self._preferred(cuts, entries, later).position
            window = complete.window(offset + position)
            if window.entries and window.tokens <= self.max_tokens:
                return window
        return self._newest_group(largest)

    def _window_start(self, total_tokens: int) -> int:
        """The running total at which the window starts: a multiple of the block."""
        blocks = -((self.max_tokens - total_tokens) // self.block_tokens)
        return max(0, blocks) * self.block_tokens

    def _later_starts(self, start: int, total_tokens: int) -> Iterator[int]:
        """Running totals after ``start`` at which a smaller window may start, by whole blocks.

        For a window that brings calls along, and for items larger than a block.
        """
        blocks = 1
        while start + blocks * self.block_tokens < total_tokens:
            yield start + blocks * self.block_tokens
            blocks *= 2

    def _preferred(self, cuts: Iterable[Cut], entries: list[Entry], start: int) -> Cut:
        """The best of ``cuts`` within reach of ``start``, otherwise the first one after that.

        Not the best wherever it is: inside one huge turn, that would drop all of it at the next
        user message.
        """
        best: Cut | None = None
        for cut in cuts:
            tokens_before = entries[cut.position].tokens_before
            if tokens_before < start:
                continue
            if tokens_before >= start + self._reach:
                return best or cut
            if best is None or cut.kind < best.kind:
                best = cut
            if best.kind is CutKind.TURN:
                return best
        return best or cut

    def _newest_group(self, window: Window) -> Window:
        group = window.newest_group()
        if group.tokens > self.max_tokens and not self._warned:
            self._warned = True
            logger.warning(
                "The newest group of a session has %d tokens and is shown whole, "
                "although max_tokens is %d (logged once)",
                group.tokens,
                self.max_tokens,
            )
        return group


def _is_group(read: list[Entry], before: Entry) -> bool:
    """Whether what was read, newest first, begins with a whole response or a message."""
    if not read:
        return False
    kind = cut_kind(read[-1].item, before.item)
    return kind is not None and kind <= CutKind.RESPONSE
