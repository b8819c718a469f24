"""A fold: one worker claims a block, has its summary written, and stores it."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING, Literal

from ..names import describe_error
from .answers import ClaimLostError, SummaryFailedError
from .block import next_block
from .fold_report import FoldFailure, FoldReport, tell
from .message import summary_message
from .segments import to_summary
from .usage import UsageMeter
from .writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..policy import Entry, History, Summary
    from .block import Block
    from .budget import Budget
    from .segments import Segment
    from .summarizers import Summarizer

logger = logging.getLogger("mongo_sessions")

# A claim outlives the answer that is waited for: the summary has to be stored, too.
_CLAIM_MARGIN_SECONDS = 10.0
_LONGEST_PAUSE = 32  # times the first
_RELEASE_SECONDS = 2.0


class NotFolded(Enum):
    """Why an attempt to fold made no summary. False, where a :class:`FoldReport` is true."""

    FAILED = auto()
    CLAIMED_BY_ANOTHER = auto()
    NOTHING = auto()
    """Nothing is due, or it has to wait after a failure."""

    def __bool__(self) -> Literal[False]:
        return False


class FoldJob:
    """Folds blocks of any session.

    Args:
        summarizer: Writes the summaries.
        budget: How long they are, and of how much.
        role: Of the message that they are shown in.
        timeout: Seconds for one answer of the summariser.
        retry_after: Seconds until another attempt after the first failure.
        on_summary: Called after each fold.
        on_failure: Called after each failure.
    """

    def __init__(
        self,
        summarizer: Summarizer,
        budget: Budget,
        *,
        role: str,
        timeout: float,
        retry_after: float,
        on_summary: Callable[[FoldReport], object] | None = None,
        on_failure: Callable[[FoldFailure], object] | None = None,
    ) -> None:
        self._summarizer = summarizer
        self._budget = budget
        self._role = role
        self._timeout = timeout
        self._retry_after = retry_after
        self._on_summary = on_summary
        self._on_failure = on_failure

    async def fold(self, history: History) -> FoldReport | NotFolded:
        """Fold the oldest block that is due, if there is one and nobody else is at it."""
        due = await next_block(history, self._budget.fold_tokens)
        if due is None:
            return NotFolded.NOTHING
        _debug(history, due, "due to be folded")
        if not await self._claim(history, due.anchor):
            claim = due.anchor.claim  # as it was read, which tells why
            if claim is not None and not claim.is_working:
                _debug(history, due, "waiting after a failure")
                return NotFolded.NOTHING
            _debug(history, due, "claimed by another worker, or removed")
            return NotFolded.CLAIMED_BY_ANOTHER
        _debug(history, due, "claimed")
        try:
            return await self._fold(history, due)
        except asyncio.CancelledError:
            await _released(history, due.anchor)
            raise

    async def _fold(self, history: History, due: Block) -> FoldReport | NotFolded:
        began = time.monotonic()
        # Read again, now that the anchor is known to be there. Items are removed from the end
        # alone, so while it is there, nothing before it changes. What was read first may be half
        # from before a pop and half from after it.
        block = await next_block(history, self._budget.fold_tokens)
        if block is None or block.anchor.id != due.anchor.id:
            _debug(history, due, "changed while they were read")
            await history.release(due.anchor)
            return NotFolded.NOTHING
        meter = UsageMeter(lambda text: self._text_tokens(history, text))
        try:
            summary = await self._summary(history, block, meter)
            is_kept = await history.save_summary(block.anchor, summary)
        except ClaimLostError:
            is_kept = False
        except Exception as error:  # noqa: BLE001 - it may be anybody's: summariser, counter, log
            await self._back_off(history, block.anchor, error, meter)
            return NotFolded.FAILED
        if not is_kept:
            _debug(history, block, f"removed, or folded by another worker, after {meter.usage}")
            return NotFolded.NOTHING
        report = FoldReport(
            session_id=history.session_id,
            first_seq=block.entries[0].seq,
            last_seq=block.anchor.seq,
            folded_tokens=block.tokens,
            summary_tokens=summary["tokens"],
            usage=meter.usage,
            seconds=time.monotonic() - began,
        )
        _debug(
            history,
            block,
            f"folded in {report.seconds:.1f} seconds with {report.usage}: the summary has "
            f"{report.summary_tokens} tokens",
        )
        tell(self._on_summary, report)
        return report

    def _text_tokens(self, history: History, text: str) -> int:
        return history.count_tokens({"role": self._role, "content": text})

    async def _summary(self, history: History, block: Block, meter: UsageMeter) -> Summary:
        def shown_tokens(segments: Sequence[Segment]) -> int:
            until = block.anchor.created_at
            return history.count_tokens(
                summary_message(segments, until, role=self._role, has_gap=True)
            )

        writer = Writer(
            self._summarizer,
            self._budget,
            self._timeout,
            count_tokens=lambda text: self._text_tokens(history, text),
            shown_tokens=shown_tokens,
            claim=lambda: self._claim(history, block.anchor),
            meter=meter,
        )
        segments = await writer.segments(block)
        return to_summary(segments, shown_tokens(segments))

    async def _claim(self, history: History, anchor: Entry) -> bool:
        return await history.claim(anchor, self._timeout + _CLAIM_MARGIN_SECONDS)

    async def _back_off(
        self, history: History, anchor: Entry, error: Exception, meter: UsageMeter
    ) -> None:
        failures = anchor.claim.failures if anchor.claim else 0
        seconds = self._retry_after * min(2**failures, _LONGEST_PAUSE)
        await history.back_off(anchor, seconds)
        is_ours = isinstance(error, SummaryFailedError)
        logger.warning(
            "No summary of session %r: %s. It is tried again in %g seconds at the earliest",
            history.session_id,
            str(error) if is_ours else describe_error(error),
            seconds,
        )
        raised = (error.__cause__ or error) if is_ours else error
        tell(
            self._on_failure,
            FoldFailure(history.session_id, raised, failures + 1, seconds, meter.usage),
        )


def _debug(history: History, block: Block, what: str) -> None:
    logger.debug(
        "Session %r, items %d to %d (%d tokens): %s",
        history.session_id,
        block.entries[0].seq,
        block.anchor.seq,
        block.tokens,
        what,
    )


async def _released(history: History, anchor: Entry) -> None:
    """Leave the summary to others: this worker ends, and they would wait until its claim expires.

    As well as that can be done at the end of an event loop: the claim expires if not.
    """
    with suppress(Exception):
        await asyncio.wait_for(history.release(anchor), _RELEASE_SECONDS)
