"""The state of the next fold, read from the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..folds import FoldPhase, FoldState
from .block import Block, find_block

if TYPE_CHECKING:
    from ..policy import Claim, History
    from .budget import Budget


async def fold_state(history: History, budget: Budget) -> FoldState:
    """Whether a block is due, and what became of the attempts to fold it."""
    found = await find_block(history, budget.fold_tokens, budget.idle)
    if not isinstance(found, Block):
        missing = max(0, budget.due_tokens - found.tokens)
        return FoldState(FoldPhase.NOT_DUE if missing else FoldPhase.NO_CUT, missing)
    claim = found.anchor.claim
    return FoldState(
        _phase(claim),
        first_seq=found.entries[0].seq,
        last_seq=found.anchor.seq,
        tokens=found.tokens,
        until=claim.until if claim else None,
        failures=claim.failures if claim else 0,
        reason=(claim.reason or None) if claim else None,
    )


def _phase(claim: Claim | None) -> FoldPhase:
    if claim is None:
        return FoldPhase.DUE
    return FoldPhase.CLAIMED if claim.is_working else FoldPhase.PAUSED
