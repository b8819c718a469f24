"""The public names of the package, as they are imported from it."""

from .cards.card import Card
from .errors import (
    CannotExplain,
    CannotPin,
    Conflict,
    ForeignCollection,
    IndexesMissing,
    InvalidItem,
    InvalidLine,
    ItemTooLarge,
    NoSuchEntry,
    ServerUnavailable,
    SessionBusy,
    SessionDeleted,
    SessionExists,
    StoreClosed,
    WrongEventLoop,
    WrongOwner,
)
from .explanations import Explanation, SessionSummary
from .log.search.word_indexes import AtlasSearch, TextIndex
from .policies import (
    AgentSummarizer,
    Entry,
    FoldFailure,
    FoldReport,
    Found,
    GapMarkers,
    History,
    Item,
    LastTurns,
    ListHistory,
    Recall,
    RetrievalPolicy,
    SummarizeOlder,
    Summarizer,
    SummarizerUsage,
    SummaryRequest,
    TiktokenCounter,
    TokenCounter,
    TokenLimit,
    TrimToolOutputs,
)
from .policy_session import PolicySession
from .runs.input_filter import input_filter
from .session.pages import Page
from .session.search import Hit, SearchResult
from .session.session import MongoSession
from .session.turns import Turn
from .store.deletions import Deleted
from .store.owner_store import OwnerStore
from .store.pending import FoldProgress
from .store.readiness import StoreCheck
from .store.recount import RecountProgress
from .store.session_info import SessionInfo
from .store.store import MongoSessionStore
from .tools import read_tool, search_tool
from .transfer import Imported, import_session

__all__ = [
    "AgentSummarizer",
    "AtlasSearch",
    "CannotExplain",
    "CannotPin",
    "Card",
    "Conflict",
    "Deleted",
    "Entry",
    "Explanation",
    "FoldFailure",
    "FoldProgress",
    "FoldReport",
    "ForeignCollection",
    "Found",
    "GapMarkers",
    "History",
    "Hit",
    "Imported",
    "IndexesMissing",
    "InvalidItem",
    "InvalidLine",
    "Item",
    "ItemTooLarge",
    "LastTurns",
    "ListHistory",
    "MongoSession",
    "MongoSessionStore",
    "NoSuchEntry",
    "OwnerStore",
    "Page",
    "PolicySession",
    "Recall",
    "RecountProgress",
    "RetrievalPolicy",
    "SearchResult",
    "ServerUnavailable",
    "SessionBusy",
    "SessionDeleted",
    "SessionExists",
    "SessionInfo",
    "SessionSummary",
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
    "TrimToolOutputs",
    "Turn",
    "WrongEventLoop",
    "WrongOwner",
    "import_session",
    "input_filter",
    "read_tool",
    "search_tool",
]
