"""The operations on the log of all sessions.

An item is one document. ``{session_id, seq}`` is its place, and ``seq`` grows in the order of the
writes.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pymongo

from .cards.card_copies import CardCopies
from .cards.companion import companion_of
from .claims import Claims
from .counts import Counts
from .documents import in_utc
from .pins import Pins
from .places import Page, head_of, newest_page, oldest_page
from .reads.export_reads import ExportReads
from .reads.following import Following
from .reads.inventory import Inventory
from .reads.listing import Listing
from .reads.paging import Paging
from .receipts import Receipts
from .search.group_reads import GroupReads
from .search.search import Search
from .search.with_ids import with_ids
from .server.clock import client_time, server_time
from .server.lasting import LastingReads
from .server.primary import on_primary
from .turns import Turns
from .writes.append import Appender
from .writes.clear import Clearer, cleared_to
from .writes.edits import Edits
from .writes.group_commit import NO_GROUPS, GroupCommits, GroupLimits
from .writes.imports import Imports
from .writes.marks import Marker
from .writes.pop import pop
from .writes.replace import Replacer
from .writes.taking import end_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from bson import ObjectId

    from .documents import Document, Encoded, Head, Item, NewItem
    from .reads.listing import Listed
    from .search.word_indexes import WordIndex
    from .server.deployment import Deployment
    from .server.drivers import AnyDriver
    from .server.retries import Retries
    from .writes.taking import End

    RunLater = Callable[[str, Callable[[], Awaitable[bool]]], None]

# MongoDB's manual recommends less than 1,000 documents per transaction ("Production Considerations"
# of transactions). A small group takes hardly longer than one batch.
_GROUP_LIMITS = GroupLimits(items=500, size=1024 * 1024)


class Log:
    """The items of all sessions, through one client.

    ``run_later`` schedules the rest of an interrupted clear: the removal of the items below its
    barrier.
    """

    def __init__(
        self,
        database: AnyDriver,
        collection: str,
        *,
        deployment: Deployment,
        retries: Retries,
        run_later: RunLater,
        word_index: WordIndex | None = None,
    ) -> None:
        self._items = on_primary(database, collection, "local")
        majority = on_primary(database, collection)
        self._lasting = LastingReads(
            majority,
            on_primary(database, collection, "linearizable"),
            has_elections=deployment.has_elections,
            retries=retries,
        )
        self._run_later = run_later
        self._time = server_time if deployment.has_clock else client_time
        self._marker = Marker(self._items, self._lasting, deployment=deployment, retries=retries)
        self._clearer = Clearer(self._items, self._marker, retries, self._time)
        self.listing = Listing(self._lasting, self._clean)
        self.paging = Paging(self._lasting, self._clean, has_union=deployment.has_clock)
        self.claims = Claims(self._items, self._lasting, retries, self._time)
        shared = self._items, self._lasting, retries, self._time
        self.edits = Edits(*shared, deployment, clearer=self._clearer, claims=self.claims)
        self.following = Following(majority, self._lasting, has_streams=deployment.has_transactions)
        self.turns = Turns(companion_of(database, collection), retries, deployment, self._time)
        self.counts = Counts(self._items, self._lasting, retries)
        self.exports = ExportReads(self._lasting, self.counts)
        self.imports = Imports(self._items, self._lasting, retries)
        self.inventory = Inventory(self._lasting, self._time)
        self.receipts = Receipts(self._lasting)
        self.search = Search(self._lasting, self._items, retries, word_index)
        self.group_reads = GroupReads(self._lasting)
        self.has_search = deployment.has_regex
        """Required by ``search.matches``."""
        self.pins = Pins(self._items, self._lasting, retries)
        self.card_copies = CardCopies(database, collection, retries)
        self._retries = retries
        self._has_clock = deployment.has_clock
        self.has_transactions = deployment.has_transactions
        """Required by ``replace_end`` and ``replace_all``."""
        appender = Appender(
            self._items, self._lasting, retries.server, has_transactions=self.has_transactions
        )
        # Without transactions, a failed group could leave several batches incomplete.
        limits = _GROUP_LIMITS if self.has_transactions else NO_GROUPS
        self._appends = GroupCommits(appender.append, limits=limits, retry_for=retries.seconds)
        self._replacer = Replacer(self._items, self._lasting, retries)

    async def append(
        self,
        session_id: str,
        items: Sequence[NewItem],
        head: Head | None,
        since: int | None = None,
    ) -> Head | None:
        """Append a batch; return the new head if it is known. See :meth:`Appender.append`."""
        return await self._appends.add(session_id, items, head, since)

    async def pop(self, session_id: str) -> Encoded | None:
        """Remove the newest item, exactly once, and return it."""
        return await pop(self._marker, session_id, self._time(0))

    async def clear(self, session_id: str) -> int:
        """Remove all items of a session; return their number. See :class:`Clearer`."""
        return await self._clearer.clear(session_id)

    async def replace_end(
        self,
        session_id: str,
        gone: Sequence[ObjectId],
        items: Sequence[NewItem],
        may_prune: Callable[[Item], bool] | None = None,
    ) -> bool:
        """Replace the newest items if they are ``gone``. See :meth:`Replacer.replace_end`."""
        return await self._replacer.replace_end(session_id, gone, items, may_prune)

    async def replace_all(self, session_id: str, items: Sequence[NewItem]) -> None:
        """Clear a session, and append ``items``, in one transaction."""
        if not items:
            await self.clear(session_id)
            return
        barrier = await self._replacer.replace_all(session_id, items)
        if barrier is not None:
            await self._clearer.clean(session_id, barrier)

    async def sessions(self, prefix: str, after: str | None, limit: int) -> list[Listed]:
        """See :meth:`Listing.sessions`."""
        return await self.listing.sessions(prefix, after, limit)

    async def newest(
        self, session_id: str, limit: int, before_seq: int | None = None
    ) -> tuple[Page, Head | None]:
        """The newest items below ``before_seq``, newest first, in one round trip.

        Also the head, after which the next append is numbered, if these documents contain it.
        """
        query: dict[str, Any] = {"session_id": session_id}
        if before_seq is not None:
            query["seq"] = {"$lt": before_seq}
        documents = await self._read(query, limit, pymongo.DESCENDING)
        page, barrier = newest_page(documents, limit)
        if barrier is not None and "gone_at" not in barrier:
            self._clean(session_id, barrier)
        if before_seq is not None:
            return page, None
        return page, head_of(documents, is_whole=len(documents) < limit)

    async def oldest(self, session_id: str, limit: int, after_seq: int) -> Page:
        """The oldest items above ``after_seq``, oldest first, in one or two round trips.

        If more items follow, the second command looks for a barrier above these.
        """
        query = {"session_id": session_id, "seq": {"$gt": after_seq}}
        documents = await self._read(query, limit, pymongo.ASCENDING)
        cleared_to = await self.cleared_to(session_id) if len(documents) == limit else 0
        return oldest_page(documents, limit, cleared_to)

    async def end_of(self, session_id: str) -> End:
        """The end of a session: its newest place, and its newest item."""
        return await self._lasting.retry(lambda items: end_of(items, session_id))

    async def now(self) -> datetime:
        """The time of the primary, in UTC."""
        if not self._has_clock:
            return datetime.now(timezone.utc)
        told = await self._retries.run(lambda: self._items.database.command("hello"))
        return in_utc(told["localTime"])

    async def cleared_to(self, session_id: str) -> int:
        """See :func:`.writes.clear.cleared_to`."""
        return await cleared_to(self._lasting, session_id)

    async def find(
        self, session_id: str, ids: Collection[str], before_seq: int, limit: int
    ) -> list[Document]:
        """The newest documents below ``before_seq`` whose item has one of ``ids``, newest first.

        The server scans the session's documents from there backwards until it has found ``limit``.
        An item that is stored as JSON text matches if one of ``ids`` is a string anywhere in it.
        """
        query = with_ids(session_id, ids, before_seq)
        documents = await self._read(query, limit, pymongo.DESCENDING)
        return newest_page(documents, limit)[0].documents

    async def _read(self, query: Document, limit: int, direction: int) -> list[Document]:
        # Lasting: appends are numbered after these documents, and pollers resume after them.
        return await self._lasting.find(query, None, [("seq", direction)], limit)

    def _clean(self, session_id: str, barrier: Document) -> None:
        async def clean() -> bool:
            await self._clearer.clean(session_id, barrier)
            return False

        self._run_later(session_id, clean)
