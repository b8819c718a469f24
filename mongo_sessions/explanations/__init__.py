"""What the model sees of a session, or has seen, and why: answers without side effects."""

from .explainer import Explainer
from .explanation import Explanation
from .parts import (
    Amount,
    ExplainedCut,
    ExplainedSummary,
    ModelUsage,
    SharedPrefix,
    SummaryRange,
    TokensByKind,
)
from .prompts import Prompts
from .session_summary import SessionSummary, SummarySegment, summary_on

__all__ = [
    "Amount",
    "ExplainedCut",
    "ExplainedSummary",
    "Explainer",
    "Explanation",
    "ModelUsage",
    "Prompts",
    "SessionSummary",
    "SharedPrefix",
    "SummaryRange",
    "SummarySegment",
    "TokensByKind",
    "summary_on",
]
