"""The options of a store: their types, defaults and limits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from types import NoneType
from typing import TYPE_CHECKING, TypedDict

from .log.places import MARK_SECONDS
from .log.search.word_indexes import AtlasSearch, TextIndex
from .policies import TiktokenCounter
from .policies.checks import check_callable, check_seconds

if TYPE_CHECKING:
    from .policies import TokenCounter

# A place must not become free while a writer may take it for the next one, or looks whether it has
# written there: see log/places.py.
_SHORTEST_RETENTION = timedelta(seconds=MARK_SECONDS)
_LONGEST_RETRY = 600.0

_DEFAULT_COUNTER = TiktokenCounter()


class StoreOptions(TypedDict, total=False):
    """Keyword arguments about a collection; :class:`MongoSessionStore` says what they mean."""

    collection: str
    token_counter: TokenCounter | None
    retention: timedelta | None
    create_indexes: bool
    retry_for: float
    search: TextIndex | AtlasSearch | None


@dataclass(frozen=True, kw_only=True)
class Options:
    """:class:`StoreOptions` with the defaults filled in.

    Raises:
        TypeError, ValueError: an option has a wrong type or is out of range.
    """

    collection: str = "session_items"
    token_counter: TokenCounter | None = _DEFAULT_COUNTER
    retention: timedelta | None = None
    create_indexes: bool = True
    retry_for: float = 30.0
    search: TextIndex | AtlasSearch | None = None

    def __post_init__(self) -> None:
        check_seconds("retry_for", self.retry_for)
        if not isinstance(self.retention, (timedelta, NoneType)):
            raise TypeError(f"retention must be a timedelta or None, got {self.retention!r}")
        if not isinstance(self.search, (TextIndex, AtlasSearch, NoneType)):
            raise TypeError(f"search must be TextIndex, AtlasSearch or None, got {self.search!r}")
        if self.retry_for > _LONGEST_RETRY:
            raise ValueError(
                f"retry_for must be at most {_LONGEST_RETRY:g}, got {self.retry_for!r}"
            )
        if self.retention is not None and self.retention < _SHORTEST_RETENTION:
            raise ValueError(f"retention must be at least an hour, got {self.retention!r}")
        if self.token_counter is not None:
            check_callable("token_counter", self.token_counter)
