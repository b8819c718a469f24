"""A fold: one worker claims a block, has its summary written, and stores it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING

from .answers import ClaimLostError, SummaryFailedError, named
from .block import next_block
from .segments import to_summary
from .summary_message import summary_message
from .writer import Writer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .block import Block
    from .budget import Budget
    from .policy import Entry, History, Summary
    from .segments import Segment
    from .summarizers import Summarizer

logger = logging.getLogger("mongo_sessions")

# A claim outlives the answer that is waited for: the summary has to be stored, too.
_CLAIM_MARGIN_SECONDS = 10.0
_LONGEST_PAUSE = 32  # times the first
_RELEASE_SECONDS = 2.0


class Outcome(Enum):
    """What came of an attempt to fold."""

    FOLDED = auto()
    FAILED = auto()
    CLAIMED_BY_ANOTHER = auto()
    NOTHING = auto()
    """Nothing is due, or it has to wait after a failure."""

    def __bool__(self) -> bool:
        return self is Outcome.FOLDED


class Folder:
    """Folds blocks of any session.

    Args:
        summarizer: Writes the summaries.
        budget: How long they are, and of how much.
        role: Of the message that they are shown in.
        timeout: Seconds for one answer of the summariser.
        retry_after: Seconds until another attempt after the first failure.
    """

    def __init__(
        self,
        summarizer: Summarizer,
        budget: Budget,
        *,
        role: str,
        timeout: float,
        retry_after: float,
    ) -> None:
        self._summarizer = summarizer
        self._budget = budget
        self._role = role
        self._timeout = timeout
        self._retry_after = retry_after

    async def fold(self, history: History) -> Outcome:
        """Fold the oldest block that is due, if there is one and nobody else is at it."""
        due = await next_block(history, self._budget.fold_tokens)
        if due is None:
            return Outcome.NOTHING
        claim = due.anchor.claim
        if claim is not None and claim.is_in_force():
            return Outcome.CLAIMED_BY_ANOTHER if claim.is_working else Outcome.NOTHING
        if not await self._claim(history, due.anchor):
            return Outcome.CLAIMED_BY_ANOTHER
        try:
            return await self._fold(history, due.anchor)
        except asyncio.CancelledError:
            await _released(history, due.anchor)
            raise

    async def _fold(self, history: History, anchor: Entry) -> Outcome:
        # Read again, now that the anchor is known to be there. Items are removed from the end
        # alone, so while it is there, nothing before it changes. What was read first may be half
        # from before a pop and half from after it.
        block = await next_block(history, self._budget.fold_tokens)
        if block is None or block.anchor.id != anchor.id:
            await history.release(anchor)
            return Outcome.NOTHING
        try:
            summary = await self._summary(history, block)
            is_kept = await history.save_summary(block.anchor, summary)
        except ClaimLostError:
            return Outcome.NOTHING
        except Exception as error:  # noqa: BLE001 - it may be anybody's: summariser, counter, log
            reason = str(error) if isinstance(error, SummaryFailedError) else named(error)
            await self._back_off(history, block.anchor, reason)
            return Outcome.FAILED
        return Outcome.FOLDED if is_kept else Outcome.NOTHING

    async def _summary(self, history: History, block: Block) -> Summary:
        def shown_tokens(segments: Sequence[Segment]) -> int:
            until = block.anchor.created_at
            return history.count_tokens(
                summary_message(segments, until, role=self._role, has_gap=True)
            )

        writer = Writer(
            self._summarizer,
            self._budget,
            self._timeout,
            count_tokens=lambda text: history.count_tokens({"role": self._role, "content": text}),
            shown_tokens=shown_tokens,
            claim=lambda: self._claim(history, block.anchor),
        )
        segments = await writer.segments(block)
        return to_summary(segments, shown_tokens(segments))

    async def _claim(self, history: History, anchor: Entry) -> bool:
        return await history.claim(anchor, self._timeout + _CLAIM_MARGIN_SECONDS)

    async def _back_off(self, history: History, anchor: Entry, reason: str) -> None:
        failures = anchor.claim.failures if anchor.claim else 0
        seconds = self._retry_after * min(2**failures, _LONGEST_PAUSE)
        await history.back_off(anchor, seconds)
        logger.warning(
            "No summary of session %r: %s. It is tried again in %g seconds at the earliest",
            history.session_id,
            reason,
            seconds,
        )


async def _released(history: History, anchor: Entry) -> None:
    """Leave the summary to others: this worker ends, and they would wait until its claim expires.

    As well as that can be done at the end of an event loop: the claim expires if not.
    """
    with suppress(Exception):
        await asyncio.wait_for(history.release(anchor), _RELEASE_SECONDS)
