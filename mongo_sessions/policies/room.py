"""The room of a window: its budget, and the absolute positions at which it may start."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .cuts import CutKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .cuts import Cut
    from .policy import Entry


class Room(NamedTuple):
    """Sizes in tokens. Windows start at multiples of ``block``, which is at most half of them."""

    tokens: int
    block: int

    @classmethod
    def within(cls, tokens: int, block: int) -> Room:
        """The room for ``tokens``. A block that is too large is halved: the grid gets finer."""
        while block > 1 and block > tokens // 2:
            block //= 2
        return cls(tokens, block)

    def window_start(self, total_tokens: int) -> int:
        """The running total at which the window of a history of this length starts."""
        blocks = -((self.tokens - total_tokens) // self.block)
        return max(0, blocks) * self.block

    def later_starts(self, start: int, total_tokens: int) -> Iterator[int]:
        """Running totals after ``start``, by whole blocks, at which a smaller window may start.

        They are needed if the calls of late outputs, or items larger than a block, exceed the
        budget.
        """
        blocks = 1
        while start + blocks * self.block < total_tokens:
            yield start + blocks * self.block
            blocks *= 2

    def preferred(self, cuts: Iterable[Cut], entries: list[Entry], start: int) -> Cut:
        """The best of ``cuts`` within reach of ``start``, otherwise the first one after it.

        Reach is limited because the best cut may be far away: the next user message after a huge
        turn would drop the whole turn.
        """
        reach = min(self.block, max(1, self.tokens // 4))
        best: Cut | None = None
        for cut in cuts:
            tokens_before = entries[cut.position].tokens_before
            if tokens_before < start:
                continue
            if tokens_before >= start + reach:
                return best or cut
            if best is None or cut.kind < best.kind:
                best = cut
            if best.kind is CutKind.TURN:
                return best
        return best or cut
