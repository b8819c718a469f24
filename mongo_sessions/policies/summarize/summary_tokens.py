"""Tokens of texts and summaries, counted as the messages that show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .kept import NOTHING_KEPT
from .message import summary_message
from .segments import render

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from ..policy import Item
    from .kept import Kept
    from .segments import Segment


def _nothing(_: str) -> Kept:
    return NOTHING_KEPT


@dataclass(frozen=True, slots=True)
class SummaryTokens:
    """Counts with the token counter of the store."""

    count_item: Callable[[Item], int]
    role: str
    """Of the summary message."""
    until: datetime
    """When the last item that the summary covers was added."""
    beside: Callable[[str], Kept] = _nothing
    """What is shown word for word below a text of the summary."""
    fixed: Kept = NOTHING_KEPT
    """The part of it that is the same below any text."""

    def message(self, text: str) -> int:
        """Tokens of a message with this text."""
        return self.count_item({"role": self.role, "content": text})

    def text(self, text: str) -> int:
        """Tokens that a text adds to a message. A counter may have a fixed cost per message."""
        return max(0, self.message(text) - self.message(""))

    def summary(self, segments: Sequence[Segment]) -> int:
        """Tokens of the message that shows these segments, with its longest label."""
        return self.shown(segments, self.beside(render(segments)))

    def shown(self, segments: Sequence[Segment], kept: Kept) -> int:
        """The same, with this below the segments."""
        message = summary_message(segments, self.until, kept=kept, role=self.role, has_gap=True)
        return self.count_item(message)

    @property
    def empty(self) -> int:
        """Tokens of the message without a text, and without what only some texts lack."""
        return self.shown([], self.fixed)
