"""The states of a place in a session: an item, a mark where an item was, or a barrier.

A place is never taken twice. A pop, a clear or a replacement removes the content of a document and
leaves the document, with its ``_id`` and its numbers, as a mark: ``gone_at`` is the time of the
removal. The server deletes a mark an hour later. An append that was numbered from an outdated head
meets the mark in the unique index, and a lost answer to an append finds its ``_id``.

A barrier is the newest place at the time of a clear. All that is below it is gone, whether or not
it is removed yet. A barrier has a ``gone_at`` once everything below it has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pymongo

from .documents import Head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .documents import Document

MARK_SECONDS = 3_600
"""How long the server keeps a mark. Far longer than an operation takes, or a head is remembered."""

NEWEST_FIRST = [("seq", pymongo.DESCENDING)]
OLDEST_FIRST = [("seq", pymongo.ASCENDING)]

LIVE_OR_BARRIER: dict[str, Any] = {
    "$or": [{"item": {"$exists": True}}, {"barrier": {"$exists": True}}]
}
"""The newest such document tells the numbers of a session."""

MARK_OR_BARRIER: dict[str, Any] = {
    "$or": [
        {"gone_at": {"$exists": True}},
        {"summary": {"$exists": True}, "barrier": {"$exists": True}},
    ]
}
"""What a pop or a clear has left, whatever has changed it since: a barrier that another clear puts
on a mark has no ``gone_at`` for a while, and one that another clear finds below its own has no
``summary`` any more. Both fields are indexed, and few documents have either."""

NUMBERS = ["seq", "gaps", "tokens", "total_tokens", "turn", "created_at", "gone_at", "barrier"]
"""What tells the state and the numbers of a document, without its item."""

REMOVAL: dict[str, Any] = {
    "$unset": {"item": "", "summary": "", "claim": ""},
    "$currentDate": {"gone_at": True},
}
"""The update that makes a mark of an item."""


def is_barrier(document: Document) -> bool:
    return "barrier" in document


def is_live(document: Document) -> bool:
    """Whether the document holds an item; of a barrier above it, the document does not know."""
    return "gone_at" not in document and "barrier" not in document


def head_of(newest_first: Sequence[Document], *, is_whole: bool) -> Head | None:
    """What the next append is numbered after; None if these documents do not tell.

    ``is_whole``: there is no older document.
    """
    if not newest_first:
        return Head() if is_whole else None
    seq = newest_first[0]["seq"]
    for document in newest_first:
        if is_barrier(document):
            return Head(seq)
        if is_live(document):
            return Head.of(document)._replace(seq=seq)
    return Head(seq) if is_whole else None


class Page(NamedTuple):
    """The items among some documents that were read, in the order of reading."""

    documents: list[Document]
    """Those that hold an item."""
    last_seq: int | None
    """The place from where to read on; None if there is nothing more."""


def newest_page(documents: Sequence[Document], limit: int) -> tuple[Page, Document | None]:
    """The page of documents that were read newest first, and the barrier where it ends, if any."""
    live: list[Document] = []
    for document in documents:
        if is_barrier(document):
            return Page(live, None), document
        if is_live(document):
            live.append(document)
    return Page(live, documents[-1]["seq"] if len(documents) == limit else None), None


def oldest_page(documents: Sequence[Document], limit: int, cleared_to: int) -> Page:
    """The page of documents that were read oldest first; up to ``cleared_to``, all is gone."""
    barriers = [document["seq"] for document in documents if is_barrier(document)]
    cleared_to = max(cleared_to, *barriers) if barriers else cleared_to
    live = [document for document in documents if document["seq"] > cleared_to]
    return Page(
        [document for document in live if is_live(document)],
        documents[-1]["seq"] if len(documents) == limit else None,
    )
