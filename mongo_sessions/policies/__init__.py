"""Retrieval policies: they decide which items of a session the model sees.

A policy is a callable that takes a :class:`History` and returns a list of items. This package
imports nothing outside itself and does not know how a history is stored.
"""

from .bounded_history import BoundedHistory, PastHistory
from .cuts import Cut, CutKind, may_start
from .folds import FoldPhase, FoldState, HasFolds
from .gap_markers import GapMarkers
from .in_run import HasInRun, HasRecall, policy_in_run, view_in_run
from .items import starts_turn
from .last_turns import LastTurns
from .list_history import ListHistory
from .policy import (
    Claim,
    Entry,
    Found,
    HasMaintenance,
    HasPins,
    History,
    Item,
    NeedsTokenCounts,
    PinnedItem,
    RetrievalPolicy,
    Summary,
)
from .read_only_history import ReadOnlyHistory
from .recall.recall import Recall
from .structure import allowed_cuts, drop_unpaired
from .summarize import (
    AgentSummarizer,
    FoldFailure,
    FoldReport,
    FoldResult,
    FoldStatus,
    SummarizeOlder,
    Summarizer,
    SummarizerUsage,
    SummaryError,
    SummaryRequest,
    recounted_summary,
    usage_of,
)
from .tiktoken_counter import TiktokenCounter
from .titles import HasTitle
from .token_limit import TokenLimit
from .tokens import TokenCounter, estimate_tokens
from .trim_tool_outputs import TrimToolOutputs
from .view import Added, Changed, CutReason, HasView, View, view_of
from .wrapped_history import WrappedHistory

__all__ = [
    "Added",
    "AgentSummarizer",
    "BoundedHistory",
    "Changed",
    "Claim",
    "Cut",
    "CutKind",
    "CutReason",
    "Entry",
    "FoldFailure",
    "FoldPhase",
    "FoldReport",
    "FoldResult",
    "FoldState",
    "FoldStatus",
    "Found",
    "GapMarkers",
    "HasFolds",
    "HasInRun",
    "HasMaintenance",
    "HasPins",
    "HasRecall",
    "HasTitle",
    "HasView",
    "History",
    "Item",
    "LastTurns",
    "ListHistory",
    "NeedsTokenCounts",
    "PastHistory",
    "PinnedItem",
    "ReadOnlyHistory",
    "Recall",
    "RetrievalPolicy",
    "SummarizeOlder",
    "Summarizer",
    "SummarizerUsage",
    "Summary",
    "SummaryError",
    "SummaryRequest",
    "TiktokenCounter",
    "TokenCounter",
    "TokenLimit",
    "TrimToolOutputs",
    "View",
    "WrappedHistory",
    "allowed_cuts",
    "drop_unpaired",
    "estimate_tokens",
    "may_start",
    "policy_in_run",
    "recounted_summary",
    "starts_turn",
    "usage_of",
    "view_in_run",
    "view_of",
]
