"""Reads of whole sessions, for an export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..places import is_live
from ..writes.clear import cleared_to
from ..writes.taking import end_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..counts import Counts
    from ..documents import Document
    from ..server.lasting import LastingReads

_CHUNK = 500  # documents, or fewer if they are large


class ExportReads:
    """Reads the sessions of one collection from the oldest item on."""

    def __init__(self, lasting: LastingReads, counts: Counts) -> None:
        self._lasting = lasting
        self._counts = counts

    async def chunks(self, session_id: str) -> AsyncIterator[list[Document]]:
        """The documents with items, oldest first, at most 16 MB at a time.

        Only places up to the newest one at the start are read. What is popped or cleared in the
        meantime is missing from there on, and what is added is not read. So the documents are a
        beginning of the session as it was at the start.
        """
        last_seq = (await self._lasting.retry(lambda items: end_of(items, session_id))).seq
        cleared = await cleared_to(self._lasting, session_id)
        seq = cleared
        while seq < last_seq:
            documents = await self._counts.oldest_batch(session_id, _CHUNK, seq)
            if not documents:
                return
            # After the documents: a clear since the start puts its barrier above all of them.
            if await cleared_to(self._lasting, session_id) > cleared:
                return
            seq = documents[-1]["seq"]
            if live := [one for one in documents if is_live(one) and one["seq"] <= last_seq]:
                yield live
