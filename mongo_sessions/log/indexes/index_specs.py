"""The indexes that a collection must have, and what counts as one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from pymongo import ASCENDING, DESCENDING, TEXT

from ..places import MARK_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

Existing: TypeAlias = "Mapping[str, Mapping[str, Any]]"
"""The options of each index, by its name."""

# Two indexes with the same key are equivalent if these are equal. A hidden index serves no query,
# and a collation may treat "A" and "a" as equal.
_OPTIONS = [
    "unique",
    "partialFilterExpression",
    "sparse",
    "expireAfterSeconds",
    "hidden",
    "collation",
]


@dataclass(frozen=True)
class IndexSpec:
    """An index that the collection must have."""

    name: str
    key: list[tuple[str, int | str]]
    options: Mapping[str, Any]
    without_it: str
    """The consequence of its absence, for the error message."""
    is_required: bool = True
    """False if its absence only makes queries slower."""

    def is_among(self, existing: Existing) -> bool:
        """Whether an equivalent index exists, under any name."""
        return any(
            self._has_key_of(index)
            and all((index.get(option) or None) == self.options.get(option) for option in _OPTIONS)
            for index in existing.values()
        )

    def defect(self, existing: Existing) -> str:
        """Why no index is equivalent, in a few words: see :class:`IndexDefect`."""
        of_key = [index for index in existing.values() if self._has_key_of(index)]
        partial = self.options.get("partialFilterExpression")
        same = [one for one in of_key if one.get("partialFilterExpression") == partial]
        if any(index.get("hidden") for index in same):
            return "hidden"
        if self.options.get("unique") and any(not index.get("unique") for index in same):
            return "not unique"
        if self.coll_mod is not None and same:
            return "without its expiry"
        return "different" if same or self.name in existing else "missing"

    @property
    def coll_mod(self) -> dict[str, Any] | None:
        """The argument of ``collMod`` that changes the expiry; None for an index without one."""
        seconds = self.options.get("expireAfterSeconds")
        return seconds and {"keyPattern": dict(self.key), "expireAfterSeconds": seconds}

    def needs_coll_mod(self, existing: Existing) -> bool:
        """Whether a TTL index with this key exists, with another expiry."""
        return self.coll_mod is not None and any(map(self._has_key_of, existing.values()))

    def with_its_name(self, existing: Existing) -> list[str]:
        """The index to drop first because it has this name, if any."""
        return [self.name] if self.name in existing and not self.needs_coll_mod(existing) else []

    def with_its_key(self, existing: Existing) -> list[str]:
        """The indexes to drop first before MongoDB 5.0; later versions allow both."""
        return [
            name
            for name, index in existing.items()
            if self._has_key_of(index) and "partialFilterExpression" not in index
        ]

    def _has_key_of(self, index: Mapping[str, Any]) -> bool:
        return list(index["key"]) == self.key


@dataclass(frozen=True)
class TextIndexSpec(IndexSpec):
    """A text index behind the session id. The server lists key and fields in other terms."""

    @classmethod
    def of(cls, paths: Sequence[str], language: str) -> TextIndexSpec:
        """The index of these paths."""
        key: list[tuple[str, int | str]] = [("session_id", ASCENDING)]
        key += [(path, TEXT) for path in paths]
        # A field "language" in an item would change the language of its words, or be refused.
        options = {"default_language": language, "language_override": "text_language"}
        return cls("session_text", key, options, "a search cannot use it")

    def is_among(self, existing: Existing) -> bool:
        return any(
            list(index["key"])[:2] in (self.key[:2], [self.key[0], ("_fts", TEXT)])
            and all(index.get(option) == value for option, value in self.options.items())
            and {path for path, _ in self.key[1:]} <= set(index.get("weights", dict(self.key)))
            for index in existing.values()
        )

    def with_its_key(self, existing: Existing) -> list[str]:
        """The text index that is there: a collection can have one."""
        return [
            name for name, index in existing.items() if TEXT in dict(list(index["key"])).values()
        ]


def index_specs(retention: timedelta | None) -> list[IndexSpec]:
    by_session: list[tuple[str, int | str]] = [("session_id", ASCENDING), ("seq", DESCENDING)]
    marks = {"expireAfterSeconds": MARK_SECONDS, "sparse": True}  # empty if nothing is removed
    left = "what was popped or cleared stays in the database"
    specs = [
        IndexSpec("session_seq", by_session, {"unique": True}, "concurrent writes get lost"),
        IndexSpec("gone_at_1h", [("gone_at", ASCENDING)], marks, left),
    ]
    if retention is not None:
        expiry = {"expireAfterSeconds": int(retention.total_seconds())}
        kept = "items are not deleted at the age that was asked for"
        specs.append(IndexSpec("created_at_retention", [("created_at", ASCENDING)], expiry, kept))
    with_summary = {"partialFilterExpression": {"summary": {"$exists": True}}}
    slow = "the newest summary of a session is found more slowly"
    # Last: the check stops at the first required index that is missing.
    specs.append(IndexSpec("session_summary", by_session, with_summary, slow, is_required=False))
    return specs


def card_specs() -> list[IndexSpec]:
    """The indexes of the second collection: see cards.py."""
    active: list[tuple[str, int | str]] = [("active_at", DESCENDING), ("_id", ASCENDING)]
    slow = "lists by activity are sorted in memory"
    expiry = {"expireAfterSeconds": MARK_SECONDS}
    kept = "the ids of deleted sessions stay in the database"
    return [
        IndexSpec("owner_active", [("owner", ASCENDING), *active], {}, slow),
        IndexSpec("active", active, {}, slow),
        IndexSpec("deleted_at_1h", [("deleted_at", ASCENDING)], expiry, kept),
    ]
