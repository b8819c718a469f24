"""The import of one session: its documents, oldest first, in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bson import ObjectId

from ..concurrency.cancellation import run_to_completion

if TYPE_CHECKING:
    from datetime import datetime

    from ..log.documents import Document
    from ..log.log import Log

_BATCH = 500
_BATCH_BYTES = 8 * 1024 * 1024


class SessionImport:
    """Stores the documents of one session. Repeated, it stores only what is missing.

    Args:
        log: Where to.
        session_id: Of the documents.
        has_dates: Whether ``created_at`` of an item that is stored already must be the same.
    """

    def __init__(self, log: Log, session_id: str, *, has_dates: bool) -> None:
        self.session_id = session_id
        self.items = 0
        """Stored by this import."""
        self.skipped = 0
        """Items that were stored before."""
        self._log = log
        self._has_dates = has_dates
        self._batch: list[dict[str, Any]] = []
        self._bytes = self._added = self._batches = 0
        self._first_seq = self._seq = self._stored_seq = 0
        self._now: datetime | None = None

    @property
    def added(self) -> int:
        """The number of items so far."""
        return self._added

    async def add(self, document: dict[str, Any], size: int) -> bool:
        """Add the next item; return whether a batch was stored, without this item.

        Raises:
            ValueError: its place is not after the one before.
            SessionExists: something else is stored at a place of the batch.
        """
        seq = document["seq"]
        if seq <= self._seq:
            raise ValueError(f"seq must grow, got {seq} after {self._seq}")
        is_full = len(self._batch) >= _BATCH or self._bytes + size > _BATCH_BYTES
        if is_full and self._batch:
            await self._store()
        if seq > self._seq + 1:
            self._batch.append(await self._mark(document))
        self._batch.append(document)
        self._first_seq = self._first_seq or seq
        self._bytes += size
        self._seq = seq
        self._added += 1
        return is_full

    async def finish(self) -> None:
        """Store the rest, and check that nothing else was written in the meantime.

        Raises:
            SessionExists: something else is stored, or the session was changed.
        """
        if self._batch:
            await self._store()
        if self._batches > 1 or self._seq != self._added:
            await self._log.imports.check_unchanged(
                self.session_id, self._added, first_seq=self._first_seq, last_seq=self._seq
            )

    async def _mark(self, document: Document) -> dict[str, Any]:
        """A mark at the first place of a gap.

        A session object may still know the place before it as the newest one. The mark refuses an
        append that is numbered after that, and so would come before this item.
        """
        if self._now is None:
            self._now = await self._log.now()
        return {
            "_id": ObjectId(),
            "session_id": self.session_id,
            "seq": self._seq + 1,
            "turn": document["turn"],
            "created_at": document["created_at"],
            "gone_at": self._now,
        }

    async def _store(self) -> None:
        batch, self._batch, self._bytes = self._batch, [], 0
        self._now = None
        items = sum("item" in document for document in batch)
        skipped = await run_to_completion(
            self._log.imports.insert(
                self.session_id,
                batch,
                after_seq=self._stored_seq,
                has_dates=self._has_dates,
            )
        )
        self.items += items - skipped
        self.skipped += skipped
        self._stored_seq = self._seq
        self._batches += 1
