"""Sessions for the OpenAI Agents SDK in MongoDB.

Two ideas: the log is what happened (:mod:`mongo_sessions.log`); the view is what the model sees of
it (:mod:`mongo_sessions.policies`). The modules beside them join the two for the SDK.
"""

from importlib.metadata import version

from .errors import (
    CannotExplain,
    CannotPin,
    ForeignCollection,
    IndexesMissing,
    InvalidItem,
    ItemTooLarge,
    ServerUnavailable,
    StoreClosed,
    WrongEventLoop,
)
from .explanation import Explanation
from .pending import FoldProgress
from .policies import (
    AgentSummarizer,
    Entry,
    FoldFailure,
    FoldReport,
    GapMarkers,
    History,
    Item,
    ListHistory,
    RetrievalPolicy,
    SummarizeOlder,
    Summarizer,
    SummarizerUsage,
    SummaryRequest,
    TiktokenCounter,
    TokenCounter,
    TokenLimit,
)
from .readiness import StoreCheck
from .recount import RecountProgress
from .session import MongoSession
from .session_info import SessionInfo
from .session_summary import SessionSummary
from .store import MongoSessionStore

__version__ = version("mongo-sessions")

__all__ = [
    "AgentSummarizer",
    "CannotExplain",
    "CannotPin",
    "Entry",
    "Explanation",
    "FoldFailure",
    "FoldProgress",
    "FoldReport",
    "ForeignCollection",
    "GapMarkers",
    "History",
    "IndexesMissing",
    "InvalidItem",
    "Item",
    "ItemTooLarge",
    "ListHistory",
    "MongoSession",
    "MongoSessionStore",
    "RecountProgress",
    "RetrievalPolicy",
    "ServerUnavailable",
    "SessionInfo",
    "SessionSummary",
    "StoreCheck",
    "StoreClosed",
    "SummarizeOlder",
    "Summarizer",
    "SummarizerUsage",
    "SummaryRequest",
    "TiktokenCounter",
    "TokenCounter",
    "TokenLimit",
    "WrongEventLoop",
    "__version__",
]
