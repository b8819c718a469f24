"""Sessions for the OpenAI Agents SDK in MongoDB.

Two ideas: the log is what happened (:mod:`mongo_sessions.log`); the view is what the model sees of
it (:mod:`mongo_sessions.policies`). The modules beside them join the two for the SDK.
"""

from importlib.metadata import version

from .errors import (
    ForeignCollection,
    IndexesMissing,
    InvalidItem,
    ItemTooLarge,
    ServerUnavailable,
    StoreClosed,
    WrongEventLoop,
)
from .log.word_indexes import AtlasSearch, TextIndex
from .pending import FoldProgress
from .policies import (
    AgentSummarizer,
    Entry,
    FoldFailure,
    FoldReport,
    Found,
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
from .search import Hit, SearchResult
from .session import MongoSession
from .session_info import SessionInfo
from .store import MongoSessionStore
from .tools import read_tool, search_tool

__version__ = version("mongo-sessions")

__all__ = [
    "AgentSummarizer",
    "AtlasSearch",
    "Entry",
    "FoldFailure",
    "FoldProgress",
    "FoldReport",
    "ForeignCollection",
    "Found",
    "History",
    "Hit",
    "IndexesMissing",
    "InvalidItem",
    "Item",
    "ItemTooLarge",
    "ListHistory",
    "MongoSession",
    "MongoSessionStore",
    "RecountProgress",
    "RetrievalPolicy",
    "SearchResult",
    "ServerUnavailable",
    "SessionInfo",
    "StoreCheck",
    "StoreClosed",
    "SummarizeOlder",
    "Summarizer",
    "SummarizerUsage",
    "SummaryRequest",
    "TextIndex",
    "TiktokenCounter",
    "TokenCounter",
    "TokenLimit",
    "WrongEventLoop",
    "__version__",
    "read_tool",
    "search_tool",
]
