"""The state of the next fold, as a policy tells it to whoever asks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from datetime import datetime

    from .policy import History


class FoldPhase(Enum):
    """Where the next fold is."""

    NOT_DUE = "not due"
    """More items are needed."""
    NO_CUT = "waits for an item before which the block may end"
    """There are enough items, but all of them belong together."""
    DUE = "due"
    """The next write, or the next read of a policy that folds in the foreground, begins it."""
    CLAIMED = "claimed by a worker"
    """A worker makes the summary, or has died. After ``until``, another one may take over."""
    PAUSED = "paused after a failure"
    """No worker tries before ``until``."""


@dataclass(frozen=True, slots=True)
class FoldState:
    """The state of the next fold of a session."""

    phase: FoldPhase
    due_in_tokens: int = 0
    """Tokens that are missing until a fold is due; 0 in every phase but NOT_DUE."""
    first_seq: int | None = None
    """Of the block to be folded. None if there is none yet."""
    last_seq: int | None = None
    tokens: int = 0
    """Of the items of that block."""
    until: datetime | None = None
    """End of the claim or of the pause: UTC, by the clock of the log, not of this machine."""
    failures: int = 0
    """Failed attempts at this block."""
    reason: str | None = None
    """Why the last attempt failed, without text of the conversation."""


@runtime_checkable
class HasFolds(Protocol):
    """A policy that folds items into a summary, or a policy around one."""

    async def fold_state(self, history: History, /) -> FoldState | None:
        """The state of the next fold; None if this policy makes none. Nothing is changed."""
