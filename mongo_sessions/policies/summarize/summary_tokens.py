"""Tokens of texts and summaries, counted as the messages that show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .message import summary_message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from ..policy import Item
    from .segments import Segment


@dataclass(frozen=True, slots=True)
class SummaryTokens:
    """Counts with the token counter of the store."""

    count_item: Callable[[Item], int]
    role: str
    """Of the summary message."""
    until: datetime
    """When the last item that the summary covers was added."""

    def message(self, text: str) -> int:
        """Tokens of a message with this text."""
        return self.count_item({"role": self.role, "content": text})

    def text(self, text: str) -> int:
        """Tokens that a text adds to a message. A counter may have a fixed cost per message."""
        return max(0, self.message(text) - self.message(""))

    def summary(self, segments: Sequence[Segment]) -> int:
        """Tokens of the message that shows these segments, with its longest label."""
        return self.count_item(summary_message(segments, self.until, role=self.role, has_gap=True))
