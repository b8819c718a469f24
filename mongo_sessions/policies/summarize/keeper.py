"""Decides what a new summary shows word for word: its keepsakes depend on its text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..items import starts_turn
from ..policy import PinnedItem
from . import keepsakes as kept_keepsakes
from .keepsakes import collected, missing_in, united, with_newer_values, within
from .kept import Kept, Quote, messages_of, newest_messages, quotes_of
from .segments import render, to_summary
from .transcript import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..policy import Summary
    from .block import Block
    from .budget import Budget
    from .keepsakes import Keepsake
    from .segments import Segment
    from .summary_tokens import SummaryTokens
    from .usage import SummarizerUsage


class Keeper:
    """What to keep of the items up to the end of a block.

    Args:
        block: To be folded.
        keepsakes: Whether to keep keepsakes.
        user_tokens: Of the user messages to keep.
        count: Tokens that a text adds to a message.
    """

    def __init__(
        self, block: Block, *, keepsakes: bool, user_tokens: int, count: Callable[[str], int]
    ) -> None:
        before = block.before
        summary = before.summary if before else None
        self.room = 0
        """Tokens of all keepsakes that are shown."""
        self._costs: dict[str, int] = {}
        self._count = count
        self._candidates: list[Keepsake] = []
        if keepsakes:
            older = [
                *kept_keepsakes.from_stored(summary, "keepsakes"),
                *kept_keepsakes.from_stored(summary, "in_text"),
            ]
            older.sort(key=lambda one: one.seq)
            self._candidates = united(older, collected(block.entries))
        newer = [
            Quote(entry.seq, quoted(entry.item, entry.created_at, entry.seq))
            for entry in (block.entries if user_tokens else ())
            if starts_turn(entry.item)
        ]
        older_messages = messages_of(summary) if user_tokens else ()
        messages = newest_messages(older_messages, newer, user_tokens, count)
        pinned = [
            PinnedItem(entry.seq, entry.item, entry.created_at)
            for entry in block.entries
            if entry.is_pinned
        ]
        pins = quotes_of([*(before.pins if before else ()), *pinned])
        self.fixed = Kept(messages=messages, pins=pins)
        """What is shown whatever the summariser writes."""

    def beside(self, text: str) -> Kept:
        """What is shown below this text."""
        below = with_newer_values(self._missing(text), self._candidates)
        chosen = tuple(within(below, self.room, self._cost))
        return Kept(chosen, self.fixed.messages, self.fixed.pins)

    def summary(
        self,
        segments: Sequence[Segment],
        tokens: SummaryTokens,
        budget: Budget,
        used: SummarizerUsage,
    ) -> Summary:
        """The summary to store: these segments, and what is shown below them."""
        text = render(segments)
        shown = self.beside(text)
        # Only a counter for which a text is not the sum of its lines finds it too long.
        while shown.keepsakes and tokens.shown(segments, shown) > budget.summary_tokens:
            shown = shown.less()
        stored = to_summary(segments, tokens.shown(segments, shown), used)
        return {**stored, **self.to_stored(text, shown)}

    def to_stored(self, text: str, shown: Kept) -> dict[str, Any]:
        """The fields of the summary: what is shown, and what ``text`` holds.

        Keepsakes without room are forgotten.
        """
        if not self._candidates and not shown.messages and not shown.pins:
            return {}
        missing = set(self._missing(text))
        is_shown = set(shown.keepsakes)
        in_text = [one for one in self._candidates if one not in missing | is_shown]
        return {
            "keepsakes": kept_keepsakes.to_stored(shown.keepsakes),
            "in_text": kept_keepsakes.to_stored(in_text),
            "user_messages": [{"seq": one.seq, "text": one.text} for one in shown.messages],
            "pinned": shown.seqs,
        }

    def _missing(self, text: str) -> list[Keepsake]:
        return missing_in(f"{text}\n{self.fixed.render()}", self._candidates)

    def _cost(self, line: str) -> int:
        if line not in self._costs:
            self._costs[line] = self._count(line)
        return self._costs[line]
