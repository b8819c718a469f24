"""The newest part of the history within a token budget."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .checks import check_whole_number
from .cuts import CutKind, cut_kind
from .late_outputs import complete_window, earlier_calls
from .logger import logger
from .room import Room
from .view import CutReason
from .window import Stretch, Window

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .policy import Entry, History, Item
    from .view import View


class TokenLimit:
    """Show the newest items, with at most ``max_tokens`` tokens.

    The window does not slide. Its start is an absolute position, which moves by ``block_tokens``
    only when the window is full. In between, every prompt begins with the whole previous prompt, so
    a provider's prompt cache can reuse it.

    The window starts at the best cut within a block, or within a quarter of ``max_tokens`` if that
    is less: a user message, otherwise a model response, otherwise any item that can stand first. So
    a view of a long history has at least three eighths of ``max_tokens``, and three quarters on
    average. A call before the window is shown if its output is in the window.

    Args:
        max_tokens: Budget of the history, in tokens of the store's counter. Instructions, tools
            and the new input come on top, unless ``whole_prompt`` is set.
        block_tokens: Tokens by which the window moves: at most half of ``max_tokens``, by default
            three eighths of it. With a larger block, the window moves less often, so the cache
            reuses more of each prompt, and the view is smaller.
        whole_prompt: Whether ``max_tokens`` is the budget of the whole prompt. Then
            :attr:`History.overhead_tokens`, what instructions, tools and the provider add, is
            deducted, in steps of a sixteenth of ``max_tokens``. At least one step remains for the
            new input. The overhead is known after the first response of a session that reports
            its usage; until then, nothing is deducted.

    The newest group (one item, or one model response with its calls and outputs) is always shown,
    even above the budget: a turn without its own context would be worse. A warning is logged the
    first time.
    """

    def __init__(
        self, max_tokens: int, *, block_tokens: int | None = None, whole_prompt: bool = False
    ) -> None:
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
        self.whole_prompt = whole_prompt
        self._warned = False

    def __repr__(self) -> str:
        whole = ", whole_prompt=True" if self.whole_prompt else ""
        return f"{type(self).__name__}({self.max_tokens}, block_tokens={self.block_tokens}{whole})"

    async def __call__(self, history: History, /) -> list[Item]:
        return (await self.view(history)).items

    async def view(self, history: History, /) -> View:
        """The view, with the stored item that each of its items comes from."""
        window = await self.window(history, history.newest_first())
        return replace(window.view(self.max_tokens), block=self.block_tokens)

    async def window(self, history: History, newest_first: AsyncIterator[Entry]) -> Window:
        """The window over these entries. Only the entries that it needs are read."""
        read: list[Entry] = []  # newest first
        room = Room(self.max_tokens, self.block_tokens)
        start = spent = 0
        next_attempt = 1
        is_broken = False
        async for entry in newest_first:
            if not read:
                room = self._room(history)  # the first entry tells the overhead
                start = room.window_start(entry.total_tokens)
            spent += entry.tokens
            # The sum of the counts, too: a running total may be wrong, the sum is not.
            is_full = entry.tokens_before < start or spent > room.tokens
            if is_full and (
                len(read) >= next_attempt or (not is_broken and _is_group(read, before=entry))
            ):
                # In a broken history, invalid items alone may exceed the budget.
                first = 0 if is_broken else start
                window = await self._cut(history, read[::-1], first, room, before=entry.item)
                if window is not None and window.entries:
                    return window
                # An attempt takes time linear in the entries read, so each waits for twice as many.
                next_attempt = 2 * len(read)
                is_broken = is_broken or window is not None
            read.append(entry)
        whole = await complete_window(history, Stretch(read[::-1]), 0)
        if whole.tokens <= room.tokens:
            return replace(whole, reason=CutReason.WHOLE)
        first = 0 if is_broken else start
        return await self._cut(history, read[::-1], first, room, before=None) or Window([])

    async def _cut(
        self, history: History, entries: list[Entry], start: int, room: Room, before: Item | None
    ) -> Window | None:
        """The window over entries that exceed the budget; None if they have no cut."""
        stretch = Stretch(entries)
        if next(stretch.cuts(before), None) is None:
            return None
        first = room.preferred(stretch.cuts(before), entries, start).position
        # Every later window is a part of the first one, and needs no other calls.
        calls = await earlier_calls(history, stretch, first)
        complete, offset = Stretch([*calls, *entries]) if calls else stretch, len(calls)
        largest = complete.window(offset + first)
        if largest.tokens <= room.tokens:
            return largest
        cuts = list(stretch.cuts(before))
        for later in room.later_starts(start, entries[-1].total_tokens):
            position = room.preferred(cuts, entries, later).position
            window = complete.window(offset + position)
            if window.entries and window.tokens <= room.tokens:
                return window
        return self._newest_group(history, largest)

    def _room(self, history: History) -> Room:
        tokens = self.max_tokens - history.pinned_tokens
        if overhead := self._overhead(history):
            # In steps: the window must not move back and forth with every new estimate. The
            # further step is for the new input, which is not stored when a run reads its view.
            step = max(1, self.max_tokens // 16)
            tokens -= (-(-overhead // step) + 1) * step
        return Room.within(max(1, tokens), self.block_tokens)

    def _overhead(self, history: History) -> int:
        return history.overhead_tokens if self.whole_prompt else 0

    def _newest_group(self, history: History, window: Window) -> Window:
        group, overhead = window.newest_group(), self._overhead(history)
        if group.tokens + overhead > self.max_tokens and not self._warned:
            self._warned = True
            logger.warning(
                "The newest group of a session has %d tokens and is shown whole, "
                "although max_tokens is %d%s (logged once)",
                group.tokens,
                self.max_tokens,
                f" and the rest of the prompt has {overhead}" if overhead else "",
            )
        return group


def _is_group(read: list[Entry], before: Entry) -> bool:
    """Whether the oldest entry read begins a whole response or is a message."""
    if not read:
        return False
    kind = cut_kind(read[-1].item, before.item)
    return kind is not None and kind <= CutKind.RESPONSE
