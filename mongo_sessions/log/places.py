"""The states of a place in a session: an item, a mark where an item was, or a barrier.

A place is never reused. A pop, a clear or a replacement removes the content of a document and keeps
the document, with its ``_id`` and its numbers, as a mark: ``gone_at`` is the time of the removal. A
TTL index deletes the mark an hour later. Until then, the unique index refuses an append that was
numbered after an outdated head, and an append whose answer was lost finds its ``_id``.

A barrier is the newest place at the time of a clear, or a place of its own: that of a deletion.
Readers ignore the documents below it. A barrier gets a ``gone_at`` when all items below it are
removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pymongo

from .documents import Head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .documents import Document

MARK_SECONDS = 3_600
"""How long the server keeps a mark: longer than any operation, or any remembered head."""

NEWEST_FIRST = [("seq", pymongo.DESCENDING)]
OLDEST_FIRST = [("seq", pymongo.ASCENDING)]

LIVE_OR_BARRIER: dict[str, Any] = {
    "$or": [{"item": {"$exists": True}}, {"barrier": {"$exists": True}}]
}
"""The newest match has the numbers of the session."""

BARRIER: dict[str, Any] = {"summary": {"$exists": True}, "barrier": {"$exists": True}}
"""A barrier has a null summary: so the index of the summaries contains it."""

MARK_OR_BARRIER: dict[str, Any] = {"$or": [{"gone_at": {"$exists": True}}, BARRIER]}
"""The documents that a pop or a clear has marked, including those that a later clear has changed: a
barrier on a mark lacks ``gone_at`` for a while, and a barrier may lack ``summary``.
Both fields are indexed, and few documents have either."""

NUMBERS = [
    *["seq", "gaps", "tokens", "total_tokens", "turn", "created_at"],
    *["gone_at", "barrier", "copying"],
]
"""The fields with the state and the numbers of a document, without its item."""

CONTENT = ("item", "summary", "claim", "receipt", "pinned", "pins")
"""The fields that a removal takes from a document."""

REMOVAL: dict[str, Any] = {
    "$unset": dict.fromkeys(CONTENT, ""),
    "$currentDate": {"gone_at": True},
}
"""The update that turns an item into a mark."""


def is_barrier(document: Document) -> bool:
    return "barrier" in document


def is_live(document: Document) -> bool:
    """Whether the document holds an item. There may be a barrier above it."""
    return "gone_at" not in document and "barrier" not in document


def head_of(newest_first: Sequence[Document], *, is_whole: bool) -> Head | None:
    """The head, after which the next append is numbered; None if more documents are needed.

    ``is_whole``: the session has no older documents.
    """
    if not newest_first:
        return Head() if is_whole else None
    seq = newest_first[0]["seq"]
    for document in newest_first:
        if is_barrier(document):
            # The copies below that of a fork will appear: see Forker.
            return Head.of(document)._replace(seq=seq) if "copying" in document else Head(seq)
        if is_live(document):
            return Head.of(document)._replace(seq=seq)
    return Head(seq) if is_whole else None


class Page(NamedTuple):
    """The documents with items of one read, in its order."""

    documents: list[Document]
    last_seq: int | None
    """The place after which the next page starts; None at the end."""
    newest_place: int = 0
    """Of a read newest first: the newest place, also if it holds no item; 0 if there is none."""
    is_after_deletion: bool = False
    """Whether a read newest first has met the barrier of a deletion."""


def newest_page(documents: Sequence[Document], limit: int) -> tuple[Page, Document | None]:
    """The page of a read newest first, and the barrier that ends it, if any."""
    live: list[Document] = []
    newest_place = documents[0]["seq"] if documents else 0
    for document in documents:
        if is_barrier(document):
            return Page(live, None, newest_place, "deleted" in document), document
        if is_live(document):
            live.append(document)
    last_seq = documents[-1]["seq"] if len(documents) == limit else None
    return Page(live, last_seq, newest_place), None


def oldest_page(documents: Sequence[Document], limit: int, cleared_to: int) -> Page:
    """The page of a read oldest first, without the documents up to ``cleared_to``."""
    barriers = [document["seq"] for document in documents if is_barrier(document)]
    cleared_to = max(cleared_to, *barriers) if barriers else cleared_to
    live = [document for document in documents if document["seq"] > cleared_to]
    return Page(
        [document for document in live if is_live(document)],
        documents[-1]["seq"] if len(documents) == limit else None,
    )
