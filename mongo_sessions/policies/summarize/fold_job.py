"""Fold: replace the oldest items of the view by a stored summary that covers them.

One worker acquires the lease on a block, has the summary written, and stores it.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ..logger import logger
from ..names import describe_error
from .block import next_block
from .checked_summarizer import CheckedSummarizer, LeaseLostError, SummaryFailedError
from .fold_observers import observed
from .fold_result import FoldFailure, FoldReport, FoldResult, FoldStatus, call_hook
from .lease import Lease
from .summary_tokens import SummaryTokens
from .usage import TotalUsage, UsageMeter
from .writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..policy import History
    from .block import Block
    from .keeping import Keeping
    from .summarizers import Summarizer

# The lease must outlive the wait for an answer: the summary is stored after it.
_LEASE_MARGIN_SECONDS = 10.0
_LONGEST_PAUSE = 32  # times the first
_LONGEST_REASON = 500  # characters; the types of errors may have any length


class FoldJob:
    """Folds the next block of any session.

    Args:
        summarizer: Writes the summaries.
        keeping: What is kept word for word.
        role: Of the summary message.
        timeout: Seconds for one answer of the summariser.
        retry_after: Seconds until the next attempt after the first failure.
        on_summary: Called after each fold.
        on_failure: Called after each failure.
    """

    def __init__(
        self,
        summarizer: Summarizer,
        keeping: Keeping,
        *,
        role: str,
        timeout: float,
        retry_after: float,
        on_summary: Callable[[FoldReport], object] | None = None,
        on_failure: Callable[[FoldFailure], object] | None = None,
    ) -> None:
        self._summarizer = summarizer
        self._budget = keeping.budget
        self._keeping = keeping
        self._role = role
        self._timeout = timeout
        self._retry_after = retry_after
        self._on_summary = on_summary
        self._on_failure = on_failure
        self.total = TotalUsage()
        """Of all attempts, also of failed and cancelled ones."""

    async def run(self, history: History) -> FoldResult:
        """Fold the oldest block that is due, unless another worker holds its lease."""
        due = await next_block(history, self._budget.fold_tokens, self._budget.idle)
        if due is None:
            return FoldResult(FoldStatus.NOTHING_DUE)
        _debug(history, due, "due to be folded")
        lease = Lease(history, due.anchor, self._timeout + _LEASE_MARGIN_SECONDS)
        if not await lease.acquire():
            claim = due.anchor.claim  # as it was read: it tells why the lease was refused
            if claim is not None and not claim.is_working:
                _debug(history, due, "waiting after a failure")
                return FoldResult(FoldStatus.NOTHING_DUE)
            _debug(history, due, "claimed by another worker, or removed")
            return FoldResult(FoldStatus.CLAIMED_BY_ANOTHER)
        _debug(history, due, "claimed")
        try:
            with observed(history.session_id) as tell:
                result = await self._fold(history, due, lease)
                tell(result)
                return result
        except asyncio.CancelledError:
            await lease.release_on_cancellation()
            raise

    async def _fold(self, history: History, due: Block, lease: Lease) -> FoldResult:
        began = time.monotonic()
        # Read the block again under the lease. The first read may have seen one half of it from
        # before a pop and the other half from after. Items are removed at the end only, so nothing
        # before the anchor changes while the anchor is stored.
        block = await next_block(history, self._budget.fold_tokens, self._budget.idle)
        if block is None or block.anchor.id != due.anchor.id:
            _debug(history, due, "changed while they were read")
            await lease.release()
            return FoldResult(FoldStatus.NOTHING_DUE)
        until = block.anchor.created_at
        tokens = SummaryTokens(history.count_tokens, self._role, until)
        meter = UsageMeter(tokens.message)
        summarizer = CheckedSummarizer(self._summarizer, self._timeout, tokens, lease, meter)
        try:
            keeper = await self._keeping.keeper(block, tokens)
            kept = replace(tokens, beside=keeper.beside, fixed=keeper.fixed)
            segments = await Writer(summarizer, self._budget, kept).segments(block)
            summary = keeper.summary(segments, tokens, self._budget, block.usage + meter.usage)
            is_kept = await lease.save(summary)
        except LeaseLostError:
            is_kept = False
        except Exception as error:  # noqa: BLE001 - raised by the summariser, the counter or the log
            failure = await self._back_off(lease, error, meter)
            return FoldResult(FoldStatus.FAILED, failure=failure, usage=meter.usage)
        finally:
            self.total.add(meter.usage)
        if not is_kept:
            _debug(history, block, f"removed, or folded by another worker, after {meter.usage}")
            return FoldResult(FoldStatus.NOTHING_DUE, usage=meter.usage)
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
        call_hook(self._on_summary, report)
        return FoldResult(FoldStatus.FOLDED, report, usage=report.usage)

    async def _back_off(self, lease: Lease, error: Exception, meter: UsageMeter) -> FoldFailure:
        claim = lease.anchor.claim
        failures = claim.failures if claim else 0
        seconds = self._retry_after * min(2**failures, _LONGEST_PAUSE)
        is_ours = isinstance(error, SummaryFailedError)
        reason = str(error) if is_ours else describe_error(error)
        await lease.back_off(seconds, reason[:_LONGEST_REASON])
        session_id = lease.history.session_id
        logger.warning(
            "No summary of session %r: %s. It is tried again in %g seconds at the earliest",
            session_id,
            reason,
            seconds,
        )
        raised = (error.__cause__ or error) if is_ours else error
        failure = FoldFailure(session_id, raised, failures + 1, seconds, meter.usage)
        call_hook(self._on_failure, failure)
        return failure


def _debug(history: History, block: Block, event: str) -> None:
    logger.debug(
        "Session %r, items %d to %d (%d tokens): %s",
        history.session_id,
        block.entries[0].seq,
        block.anchor.seq,
        block.tokens,
        event,
    )
