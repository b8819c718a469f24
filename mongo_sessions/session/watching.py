"""Follow a conversation live."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo.errors import PyMongoError

from ..concurrency.cancellation import cancellable
from ..errors import StoreClosed
from ..log.reads.following import Place
from ..log.server.server import explaining
from ..policies.checks import check_seq
from .ownership import Ownership

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ..history.history import SessionHistory
    from ..log.reads.following import Followed
    from ..policies import Entry

# Documents per read. A consumer that is slower than the writers holds as many entries.
_CHUNK = 100


class Watching(Ownership):
    """The method of a session that follows it."""

    def watch(self, after_seq: int = 0) -> AsyncGenerator[Entry, None]:
        """Every entry with a seq above ``after_seq``, and then each new one when it is stored.

        ::

            async for entry in session.watch(after_seq=last_seq):
                ...

        Entries come in the order of their seq, each once, whichever process writes them. To resume,
        pass the seq of the last entry. A removal is not told. An hour after the newest
        items were removed, their seqs are used again: a watch tells these entries, too, unless it
        begins after that.

        On a replica set, one change stream serves all watches of a store in an event loop. It costs
        a connection, and a thread of Motor's pool. Without a change stream (a standalone server, a
        user without the right ``changeStream``, an outage), each watch reads once a second. A
        consumer may be slow: entries wait in the database.

        The iteration ends when the store is closed, and at no other time. Behind a ``break``, close
        it with ``contextlib.aclosing``, or Python does so later.

        Raises:
            ValueError: ``after_seq`` is negative, or has more than 64 bits.
        """
        check_seq("after_seq", after_seq, at_least=0)
        return self._watched(Place(after_seq))

    async def _watched(self, place: Place) -> AsyncGenerator[Entry, None]:
        history = await explaining(self._history)()
        following = history.session_log.log.following
        wake_ups = self._connections.current().wake_ups
        with wake_ups.of(history.session_id, following) as wake_up:
            while not wake_up.is_over:
                wake_up.clear()
                has_more = True
                while has_more and not wake_up.is_over:
                    try:
                        read = self._new_entries(history, place)
                        found, entries = await cancellable(read)
                    except (PyMongoError, StoreClosed):
                        if wake_up.is_over:
                            return
                        raise
                    for entry in entries:
                        yield entry
                    place, has_more = found.place, found.has_more
                await wake_up.wait()

    @explaining
    async def _new_entries(
        self, history: SessionHistory, place: Place
    ) -> tuple[Followed, list[Entry]]:
        log = history.session_log.log
        found = await log.following.after(history.session_id, place, _CHUNK)
        if found.documents:
            # Whoever may use the session is looked up again: it may have changed hands.
            history = await self._history()
        return found, list(await history.entries_of(found.documents))
