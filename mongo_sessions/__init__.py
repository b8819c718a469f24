"""Sessions for the OpenAI Agents SDK in MongoDB.

Two ideas: the log is what happened (:mod:`mongo_sessions.log`); the view is what the model sees of
it (:mod:`mongo_sessions.policies`). The folders beside them join the two: ``history`` shows the log
to a policy, ``session`` and ``store`` are what an application calls.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .exports import *

__version__ = version("mongo-sessions")

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
    "__version__",
    "import_session",
    "input_filter",
    "read_tool",
    "search_tool",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import the public names at the first use of one.

        The command's ``--help``, and a submodule such as ``mongo_sessions.testing``, need neither
        driver nor tokenizer, which take half a second.
        """
        if name in ("errors", "policies"):  # as attributes, also without an import of their own
            return import_module(f".{name}", __name__)
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        exports = import_module(".exports", __name__)
        globals().update({public: getattr(exports, public) for public in exports.__all__})
        return globals()[name]

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
