"""Pages of a conversation, as a chat window shows them: the newest page first."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..log.server.server import Explained, explaining
from ..policies.checks import check_seq, check_whole_number
from .ownership import Ownership

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..policies import Entry

_LARGEST_PAGE = 1_000


@dataclass(frozen=True)
class Page:
    """Consecutive entries of a session, in reading order."""

    entries: list[Entry]
    """Oldest first. Empty if there are none below the given place."""
    has_more: bool
    """Whether there are older entries."""

    @property
    def before_seq(self) -> int | None:
        """The argument of :meth:`MongoSession.page` for the page before; None if there is none."""
        return self.entries[0].seq if self.has_more else None


class Pages(Ownership):
    """The methods of a session that display it."""

    @explaining
    async def page(self, before_seq: int | None = None, limit: int = 50) -> Page:
        """The newest entries below a place: to display a conversation from its end.

        One round trip. Pages do not overlap, and leave nothing out, whatever is appended in the
        meantime. Items that are not shown to the model any more are in the pages, too.

        Args:
            before_seq: :attr:`Page.before_seq` of the page after this one; None: the newest page.
            limit: Entries of a page, at most 1,000.

        Raises:
            ValueError: an argument is out of range.
        """
        if before_seq is not None:
            check_seq("before_seq", before_seq)
        check_whole_number("limit", limit, at_least=1, at_most=_LARGEST_PAGE)
        history = await self._history()
        paged = await history.session_log.log.paging.page(history.session_id, limit, before_seq)
        return Page(list(await history.entries_of(paged.documents[::-1])), paged.has_more)

    async def entries(self, after_seq: int = 0) -> AsyncIterator[Entry]:
        """Every entry with a seq above ``after_seq``, oldest first: to display a conversation.

        Entries are read in chunks. To continue later, pass the seq of the last entry: a new item
        has a larger one, whatever other workers append, pop and clear. One exception: if every item
        from there on was removed over an hour ago and none was added since, seqs are reused.
        """
        check_seq("after_seq", after_seq, at_least=0)
        with Explained():
            history = await self._history()
        read = explaining(history.oldest_first(after_seq).__anext__)
        with suppress(StopAsyncIteration):
            while True:
                yield await read()
