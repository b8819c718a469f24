"""Receipts: what a run had shown to its model, on the first document of a model response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .places import NEWEST_FIRST, is_barrier, is_live

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .documents import Document
    from .server.lasting import LastingReads

# The most documents that one search examines: a session may have no receipt at all, and a batch of
# a response with 64 calls and their outputs is shorter.
_MOST_EXAMINED = 256

_FIELDS = ["seq", "receipt", "gone_at", "barrier"]


class Receipt(NamedTuple):
    """What the model had been shown when it wrote a batch. None: not known, or not reported."""

    seq: int
    """The place of the first item of the batch."""
    items: int
    """The number of items in the batch. Their places are consecutive."""
    cut: int | None = None
    """Where the verbatim part of the view began."""
    seen: int | None = None
    """The newest place when the view was read; 0 for a session without items."""
    anchor: int | None = None
    """The place of the summary that was shown."""
    input: int | None = None
    """Tokens of the prompt, as the provider counted them."""
    cached: int | None = None
    """Tokens of the prompt that the provider took from its cache."""
    output: int | None = None
    """Tokens of the response, as the provider counted them."""
    counted: int | None = None
    """Tokens of the prompt by the token counter: the view, and what the run had added to it."""
    overhead: int | None = None
    """Tokens of prompts outside the history, as they were estimated after this response."""

    def covers(self, seq: int) -> bool:
        """Whether the item at this place belongs to the batch."""
        return self.seq <= seq < self.seq + self.items


def receipt_of(document: Document) -> Receipt | None:
    """The receipt in a document; None if it has none."""
    stored: Mapping[str, Any] | None = document.get("receipt")
    if stored is None:
        return None
    # A later version may store more fields.
    known = {field: value for field, value in stored.items() if field in Receipt._fields}
    return Receipt(**{"items": 1, **known, "seq": document["seq"]})


class Receipts:
    """Reads the receipts of one collection. Each method is one query of at most 256 documents."""

    def __init__(self, lasting: LastingReads) -> None:
        self._lasting = lasting

    async def receipt_at(self, session_id: str, seq: int) -> Receipt | None:
        """The receipt of the batch that holds the item at ``seq``.

        None if that batch has none: user input, the output of an approved call, or items that were
        added outside a run. The caller has read the item: until an interrupted clear is completed,
        the receipts of its items are still found. On a standalone server, concurrent appends may
        split a batch; then its receipt may be attributed to an item between its parts.
        """
        found = await self._newest(session_id, {"$lte": seq})
        return found if found is not None and found.covers(seq) else None

    async def latest_receipt(
        self, session_id: str, before_seq: int | None = None
    ) -> Receipt | None:
        """The newest receipt, or the newest below ``before_seq``.

        None if the newest 256 documents (below that place) have none.
        """
        return await self._newest(session_id, None if before_seq is None else {"$lt": before_seq})

    async def _newest(self, session_id: str, seq: Mapping[str, int] | None) -> Receipt | None:
        query: dict[str, Any] = {"session_id": session_id}
        if seq is not None:
            query["seq"] = seq

        # Not a filter for receipts, with which a session without any would be scanned whole.
        found = await self._lasting.find(query, _FIELDS, NEWEST_FIRST, _MOST_EXAMINED)
        for document in found:
            if is_barrier(document):
                return None
            if is_live(document) and (receipt := receipt_of(document)):
                return receipt
        return None
