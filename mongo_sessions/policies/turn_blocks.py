"""Blocks of turns: absolute turn numbers at which a view begins, or output is shortened."""

from __future__ import annotations

from .checks import check_whole_number


class TurnBlocks:
    """The newest ``keep_turns`` turns, and the older ones in whole blocks of ``block_turns``.

    A turn is a user message and everything up to the next one. Items before the first user message
    are turn 0, which belongs to the first block. Without ``block_turns``, a block is as long as the
    kept turns.

    With ``growing``, blocks are shorter while there are few old turns: the largest power of two
    that is at most half of them. Every move of a short history sends little anew.

    Raises:
        TypeError: a number is not a whole number.
        ValueError: a number is below 1.
    """

    def __init__(
        self, keep_turns: int, block_turns: int | None = None, *, growing: bool = False
    ) -> None:
        check_whole_number("keep_turns", keep_turns, at_least=1)
        if block_turns is None:
            block_turns = keep_turns
        check_whole_number("block_turns", block_turns, at_least=1)
        self.keep_turns = keep_turns
        self.block_turns = block_turns
        self._is_growing = growing

    def last_old_turn(self, newest_turn: int) -> int:
        """The newest turn of the whole blocks before the kept turns; -1 if there is no block."""
        old = newest_turn - self.keep_turns
        block = self.block_turns
        if self._is_growing and old > 1:
            block = min(block, 1 << (old // 2).bit_length() - 1)
        elif self._is_growing:
            block = 1
        return old // block * block if old >= block else -1
