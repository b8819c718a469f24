"""A rolling summary: one text, rewritten with each block, for comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mongo_sessions import SummaryRequest

if TYPE_CHECKING:
    from mongo_sessions import Summarizer


class RollingSummary:
    """A text of at most ``max_tokens``."""

    def __init__(self, summarizer: Summarizer, max_tokens: int) -> None:
        self._summarizer = summarizer
        self._max_tokens = max_tokens
        self.text = ""

    async def fold(self, transcript: str) -> None:
        """Rewrite it, with a further part of the conversation."""
        both = f"{self.text}\n\n{transcript}".strip()
        self.text = await self._summarizer(SummaryRequest("fold", both, "", self._max_tokens))
