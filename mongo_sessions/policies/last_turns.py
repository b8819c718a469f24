"""The newest turns of the history."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .late_outputs import complete_window
from .turn_blocks import TurnBlocks
from .view import CutReason
from .window import Stretch

if TYPE_CHECKING:
    from .policy import Entry, History, Item
    from .view import View
    from .window import Window


class LastTurns:
    """Show at least the newest ``keep_turns`` turns.

    A turn is a user message and everything up to the next one. Items before the first user message
    are shown until the first cut.

    The view does not slide. It begins at an absolute turn number, which moves by ``block_turns``.
    In between, every prompt begins with the whole previous prompt, so a provider's prompt cache can
    reuse it. So the view has fewer than ``keep_turns + block_turns`` turns. A call before the view
    is shown if its output is in the view.

    The view has no limit in tokens: one turn may have any number of them. Bound the prompt with
    :func:`input_filter`, or use :class:`TokenLimit`. No token counts are needed.

    Args:
        keep_turns: The fewest turns that are shown, if the session has them.
        block_turns: Turns by which the view moves: by default ``keep_turns``. With a larger block,
            the cache reuses more of each prompt, and the view is larger.
    """

    def __init__(self, keep_turns: int, *, block_turns: int | None = None) -> None:
        self._blocks = TurnBlocks(keep_turns, block_turns)
        self.keep_turns = self._blocks.keep_turns
        self.block_turns = self._blocks.block_turns

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.keep_turns}, block_turns={self.block_turns})"

    async def __call__(self, history: History, /) -> list[Item]:
        return (await self.view(history)).items

    async def view(self, history: History, /) -> View:
        """The view, with the stored item that each of its items comes from."""
        return (await self._window(history)).view(None)

    async def _window(self, history: History) -> Window:
        """Read back to the first turn of the window, and one entry more."""
        read: list[Entry] = []  # newest first
        hidden_turn: int | None = None
        async for entry in history.newest_first():
            if hidden_turn is None:
                hidden_turn = self._blocks.last_old_turn(entry.turn)
            if entry.turn <= hidden_turn:
                window = await complete_window(history, Stretch(read[::-1]), 0)
                if window.entries:
                    return replace(window, reason=CutReason.TURNS)
                # No item of these turns is valid: the turn before them is shown, too.
                hidden_turn = entry.turn - 1
            read.append(entry)
        whole = await complete_window(history, Stretch(read[::-1]), 0)
        return replace(whole, reason=CutReason.WHOLE)
