"""Blocks of turns: absolute turn numbers at which a view begins, or output is shortened."""

from __future__ import annotations

from .checks import check_whole_number


class TurnBlocks:
    """The newest ``keep_turns`` turns, and the older ones in whole blocks of ``block_turns``.

    A turn is a user message and everything up to the next one. Items before the first user message
    are turn 0, which belongs to the first block. Without ``block_turns``, a block is
    as long as the kept turns, and at least ``default_block``.

    Raises:
        TypeError: a number is not a whole number.
        ValueError: a number is below 1.
    """

    def __init__(self, keep_turns: int, block_turns: int | None, *, default_block: int = 1) -> None:
        check_whole_number("keep_turns", keep_turns, at_least=1)
        if block_turns is None:
            block_turns = max(keep_turns, default_block)
        check_whole_number("block_turns", block_turns, at_least=1)
        self.keep_turns = keep_turns
        self.block_turns = block_turns

    def last_old_turn(self, newest_turn: int) -> int:
        """The newest turn of the whole blocks before the kept turns; -1 if there is no block."""
        blocks = (newest_turn - self.keep_turns) // self.block_turns
        return blocks * self.block_turns if blocks > 0 else -1
