"""What a search in the log is asked, and what it returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ..documents import Document


class Pattern(NamedTuple):
    """What the text of an item is compared with."""

    regex: str
    """PCRE."""
    needle: str | None
    """A text in ASCII and lower case that every match contains: then the text is compared in lower
    case. None: the case is ignored by the expression."""


class Asked(NamedTuple):
    """A query."""

    patterns: list[Pattern]
    words: list[str]
    """For an index of words: letters, digits and marks."""


class Matching(NamedTuple):
    """An item that matches."""

    seq: int
    bits: int
    """One for each pattern, the first in the lowest bit."""
    tokens: int


class Searched(NamedTuple):
    """The result of a search."""

    found: list[Matching]
    newest_seq: int
    """The newest place that was searched; 0 if none was."""
    from_seq: int
    """The oldest place that was searched."""
    is_complete: bool
    """False if the time was over before the oldest item."""


class Scope(NamedTuple):
    """The part of a session to search."""

    after_seq: int
    """Of a clear: nothing up to here is found."""
    before_seq: int | None = None
    dates: Document | None = None
    """A condition on ``created_at``."""

    def query(self, session_id: str) -> dict[str, Any]:
        """The documents with items in this part."""
        places = {"$gt": self.after_seq}
        if self.before_seq is not None:
            places["$lt"] = self.before_seq
        dates = {"created_at": self.dates} if self.dates else {}
        return {"session_id": session_id, "seq": places, "item": {"$exists": True}, **dates}
