"""Which indexes the collection is to have, and which existing ones are as good or in their way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pymongo import ASCENDING, DESCENDING

from .places import MARK_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

# Of which another value makes another index. A hidden one serves no query, and one with a collation
# takes "A" for "a".
_OPTIONS = (
    "unique",
    "partialFilterExpression",
    "sparse",
    "expireAfterSeconds",
    "hidden",
    "collation",
)


@dataclass(frozen=True)
class IndexSpec:
    """An index that is wanted; ``existing`` are all that there are, by their names."""

    name: str
    key: list[tuple[str, int]]
    options: Mapping[str, Any]
    without_it: str
    """What happens if there is none."""
    is_needed: bool = True
    """False if without it nothing is wrong, only slower."""

    @property
    def may_change(self) -> bool:
        """Whether another number is another state of the same index, and not another index."""
        return "expireAfterSeconds" in self.options

    def is_among(self, existing: Mapping[str, Any]) -> bool:
        """Whether one of them does the same, under whatever name."""
        return any(
            self._has_key_of(index)
            and all((index.get(option) or None) == self.options.get(option) for option in _OPTIONS)
            for index in existing.values()
        )

    @property
    def change(self) -> dict[str, Any]:
        """What ``collMod`` is told, to change the number."""
        seconds = self.options["expireAfterSeconds"]
        return {"keyPattern": dict(self.key), "expireAfterSeconds": seconds}

    def is_to_be_changed(self, existing: Mapping[str, Any]) -> bool:
        return self.may_change and any(map(self._has_key_of, existing.values()))

    def of_the_same_name(self, existing: Mapping[str, Any]) -> list[str]:
        """Its name, if another index has it, and so keeps this one from being created."""
        taken = self.name in existing and not self.is_to_be_changed(existing)
        return [self.name] if taken else []

    def of_the_same_key(self, existing: Mapping[str, Any]) -> list[str]:
        """Those that keep it from being created before MongoDB 5.0, and are superfluous later."""
        return [
            name
            for name, index in existing.items()
            if self._has_key_of(index) and "partialFilterExpression" not in index
        ]

    def _has_key_of(self, index: Mapping[str, Any]) -> bool:
        return list(index["key"]) == self.key


def wanted_indexes(retention: timedelta | None) -> list[IndexSpec]:
    by_session = [("session_id", ASCENDING), ("seq", DESCENDING)]
    indexes = [
        IndexSpec("session_seq", by_session, {"unique": True}, "concurrent writes get lost"),
        # Sparse: it costs nothing where nothing is removed.
        IndexSpec(
            "gone_at_1h",
            [("gone_at", ASCENDING)],
            {"expireAfterSeconds": MARK_SECONDS, "sparse": True},
            "what was popped or cleared stays in the database",
        ),
    ]
    if retention is not None:
        indexes.append(
            IndexSpec(
                "created_at_retention",
                [("created_at", ASCENDING)],
                {"expireAfterSeconds": int(retention.total_seconds())},
                "items are not deleted at the age that was asked for",
            )
        )
    # The last, so that its absence, which is no error, hides none of the others'.
    indexes.append(
        IndexSpec(
            "session_summary",
            by_session,
            {"partialFilterExpression": {"summary": {"$exists": True}}},
            "the newest summary of a session is found more slowly",
            is_needed=False,
        )
    )
    return indexes
