"""The log of one session, through the eyes of a session object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..concurrency.cancellation import run_to_completion
from ..telemetry.telemetry import note_added, note_read, note_removed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from bson import ObjectId

    from ..log.documents import Document, Encoded, Head, Item, NewItem
    from ..log.log import Log
    from ..log.places import Page
    from ..log.writes.delete import Closing, Deletion
    from ..log.writes.taking import End
    from .session_state import SessionState

LARGEST_CHUNK = 2_000
"""Documents per round trip."""


class SessionLog:
    """Reads and writes of one session. Each updates ``state``, of which the next one makes use.

    A write runs to completion: a cancelled caller gets its cancellation when the outcome is known.
    """

    def __init__(self, log: Log, session_id: str, state: SessionState) -> None:
        self.log = log
        self.session_id = session_id
        self.state = state
        self.newest_place: int | None = None
        """The newest place that :meth:`newest` has seen, also if it holds no item; None before."""
        self.is_after_deletion = False
        """Whether :meth:`newest` has met the barrier of a deletion."""

    async def append(self, items: Sequence[NewItem], since: int | None = None) -> Head | None:
        """Append a batch; return the new head if it is known. See :meth:`Appender.append`."""
        # Concurrent appends take the head once: the second does not number after a used one.
        head = self.state.take_head()
        append = self.log.append(self.session_id, items, head, since)
        self.state.head = head = await run_to_completion(append)
        note_added(items, head)
        return head

    async def pop(self) -> Encoded | None:
        """Remove the newest item, exactly once, and return it."""
        self.state.forget()
        encoded = await run_to_completion(self.log.pop(self.session_id))
        note_removed(0 if encoded is None else 1)
        return encoded

    async def clear(self) -> int:
        """Remove every item; return how many there were."""
        self.state.forget()
        number = await run_to_completion(self.log.clear(self.session_id))
        note_removed(number)
        return number

    async def delete(
        self, closing: Closing, known: End | None = None, *, if_unchanged: bool
    ) -> Deletion:
        """Remove every item, and end the runs of that time. See :meth:`Deleter.delete`."""
        self.state.forget()
        deleting = self.log.edits.deleter.delete(
            self.session_id, closing, known, if_unchanged=if_unchanged
        )
        deletion = await run_to_completion(deleting)
        note_removed(deletion.items)
        return deletion

    async def rewind(self, seq: int, expected_last_seq: int | None) -> int:
        """Remove every item after this one. See :meth:`Rewinder.rewind`."""
        self.state.forget()
        rewind = self.log.edits.rewinder.rewind(self.session_id, seq, expected_last_seq)
        number = await run_to_completion(rewind)
        note_removed(number)
        return number

    async def fork(
        self,
        new_id: str,
        upto_seq: int | None,
        before_it_appears: Callable[[], Awaitable[None]],
    ) -> int:
        """Copy the items to another session. See :meth:`Forker.fork`."""
        return await run_to_completion(
            self.log.edits.forker.fork(self.session_id, new_id, upto_seq, before_it_appears)
        )

    async def redact(self, seq: int, item: NewItem) -> None:
        """Replace an item, and remove what was derived from it. See :meth:`Redactor.redact`."""
        self.state.forget()
        await run_to_completion(self.log.edits.redactor.redact(self.session_id, seq, item))

    async def refuse_deleted(self, since: int | None) -> None:
        """Raise SessionDeleted if the session was deleted after this place (None: not known)."""
        if since is not None:
            await self.log.edits.deleter.refuse_deleted(self.session_id, since)

    async def replace_all(self, items: Sequence[NewItem]) -> None:
        """Clear the session, and append ``items``, in one transaction."""
        self.state.forget()
        await run_to_completion(self.log.replace_all(self.session_id, items))

    async def replace_end(
        self,
        gone: Sequence[ObjectId],
        items: Sequence[NewItem],
        may_prune: Callable[[Item], bool] | None,
    ) -> bool:
        """Replace the newest items, if they are these. See :meth:`Log.replace_end`."""
        self.state.forget()
        return await run_to_completion(
            self.log.replace_end(self.session_id, gone, items, may_prune)
        )

    async def newest(self, limit: int, before_seq: int | None = None) -> Page:
        """The newest items below ``before_seq`` (None: of all), newest first: one round trip."""
        page, head = await self.log.newest(self.session_id, limit, before_seq)
        self.is_after_deletion |= page.is_after_deletion
        if before_seq is None:
            self.state.head = head
            self.newest_place = page.newest_place
            self.state.recall_overhead(page.documents)
        return page

    async def newest_documents(self, limit: int | None) -> list[Document]:
        """The documents of the newest ``limit`` items (None: all), oldest first."""
        found: list[Document] = []
        chunk, before = 0, None
        while limit is None or len(found) < limit:
            missing = LARGEST_CHUNK if limit is None else limit - len(found)
            # Where items were removed, a chunk has fewer than its size.
            chunk = min(max(missing, 2 * chunk), LARGEST_CHUNK)
            page = await self.newest(chunk, before)
            found += page.documents
            before = page.last_seq
            if before is None:
                break
        documents = found[:limit][::-1]
        note_read(documents, limit)
        return documents
