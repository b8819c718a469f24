"""What a policy keeps word for word of the items that it folds: the settings, and their rooms."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .keeper import Keeper
from .kept import KEEPSAKES_HEADING, NOTHING_KEPT, Kept, kept_on, quotes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..policy import Entry, History, PinnedItem
    from .block import Block
    from .budget import Budget
    from .summary_tokens import SummaryTokens


@dataclass(frozen=True, slots=True)
class Keeping:
    """The settings of a policy."""

    budget: Budget
    keepsakes: bool = True
    """Whether identifiers and standing instructions are kept."""

    async def keeper(self, block: Block, tokens: SummaryTokens) -> Keeper:
        """What to keep of a block, and of everything before it."""
        # In a thread: a block may hold megabytes.
        return await asyncio.to_thread(self._keeper, block, tokens)

    def on(self, anchor: Entry) -> Kept:
        """What the stored summary on this item keeps."""
        has_messages = self.budget.user_tokens > 0
        return kept_on(anchor, keepsakes=self.keepsakes, messages=has_messages)

    @property
    def pin_tokens(self) -> int:
        """Of all pinned items, as they are shown: a quarter of the summary."""
        return self.budget.text_tokens // 4

    def tokens_of_pins(self, history: History, pins: Sequence[PinnedItem]) -> int:
        """Tokens that these pinned items add to a summary message."""
        text = Kept(pins=quotes_of(pins)).render()
        with_text, without = ({"role": "user", "content": f"x{t}"} for t in (text, ""))
        return history.count_tokens(with_text) - history.count_tokens(without)

    def _keeper(self, block: Block, tokens: SummaryTokens) -> Keeper:
        budget = self.budget
        keeper = Keeper(
            block, keepsakes=self.keepsakes, user_tokens=budget.user_tokens, count=tokens.text
        )
        # The summary needs room, too, for any token counter and whatever was pinned.
        most = budget.summary_tokens - budget.text_tokens // 4
        while keeper.fixed != NOTHING_KEPT and tokens.shown([], keeper.fixed) > most:
            keeper.fixed = keeper.fixed.less()
        room = (budget.text_tokens - tokens.shown([], NOTHING_KEPT)) // 5
        keeper.room = max(0, room - tokens.text("\n\n" + KEEPSAKES_HEADING))
        return keeper
