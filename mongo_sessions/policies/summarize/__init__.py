"""One policy, :class:`SummarizeOlder`: a summary of older turns in front of the newest ones."""

from .fold_result import FoldFailure, FoldReport, FoldResult, FoldStatus
from .segments import recounted_summary
from .summarize_older import SummarizeOlder
from .summarizers import AgentSummarizer, Summarizer, SummaryError, SummaryRequest
from .usage import SummarizerUsage, usage_of

__all__ = [
    "AgentSummarizer",
    "FoldFailure",
    "FoldReport",
    "FoldResult",
    "FoldStatus",
    "SummarizeOlder",
    "Summarizer",
    "SummarizerUsage",
    "SummaryError",
    "SummaryRequest",
    "recounted_summary",
    "usage_of",
]
