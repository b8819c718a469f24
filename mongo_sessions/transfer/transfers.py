"""Sessions out of a store and into one, as lines of JSON."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import TYPE_CHECKING

from ..log.server.server import Explained, explaining
from ..log.session_ids import check_part_of_id, check_session_id
from ..policies.checks import check_callable
from .exporting import export_lines
from .importing import LinesImport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from typing import TypeAlias

    from ..connection.connections import Connections
    from .imported import Imported

    Lines: TypeAlias = Iterable[str] | Iterable[bytes] | AsyncIterable[str] | AsyncIterable[bytes]


class Transfers:
    """The methods of a store that move sessions out and in."""

    _connections: Connections

    def export(
        self,
        prefix: str = "",
        *,
        session_ids: Iterable[str] | None = None,
        owner: str | None = None,
    ) -> AsyncIterator[str]:
        r"""The lines of an export, without line ends: sessions in the order of their ids.

        ::

            async for line in store.export():
                file.write(line + "\n")

        The lines hold items, places, dates, counts, summaries, pins, receipts and cards, exactly:
        the export of an import has the same bytes. Leases and removed items are not exported. The
        documentation describes the format.

        Sessions may be in use. Each is exported as it was when its turn came: what is added later
        is not in it, and if it is popped or cleared in the meantime, the items that were not read
        yet are missing. At most 16 MB of a session are in memory.

        Args:
            prefix: Only sessions whose ids start with it.
            session_ids: Only these sessions, in this order; one that does not exist is left out.
            owner: Only sessions whose card names this owner.

        Raises:
            ValueError: ``prefix`` and ``session_ids`` are given; or a policy of your own has stored
                a summary that is not JSON.
        """
        check_part_of_id("prefix", prefix)
        if owner is not None and not isinstance(owner, str):  # pyright: ignore[reportUnnecessaryIsInstance] - a dict would be a query
            raise TypeError(f"owner must be a str, got {owner!r}")
        if isinstance(session_ids, str):
            raise TypeError(f"session_ids must be several ids, got {session_ids!r}")
        if session_ids is not None:
            if prefix:
                raise ValueError("prefix and session_ids exclude each other")
            session_ids = list(dict.fromkeys(session_ids))
            for session_id in session_ids:
                check_session_id(session_id)
        return self._export(prefix, session_ids, owner)

    @explaining
    async def import_lines(
        self, lines: Lines, *, progress: Callable[[Imported], object] | None = None
    ) -> Imported:
        """Store the sessions of an export: with their places, dates, summaries and cards.

        Items are stored in batches of 500, oldest first. Until its end, a session is visible as a
        beginning of the conversation, and must not be used. An import that was stopped may be run
        again from the first line: what is stored is compared, and only the rest is added. An owner
        or title that a session has already is kept.

        What is imported is data: it is checked, and never run. Token counts are those of the
        export: call :meth:`recount` if this store has another counter. With ``retention``, items
        that are older are deleted.

        Args:
            lines: With or without line ends, such as a file; empty lines are skipped. An iterable,
                or an asynchronous one. Several exports may stand one behind the other.
            progress: Called after each batch and each session with the result so far. An exception
                from it ends the import.

        Raises:
            InvalidLine: a line is not what an export has there; or the lines end too early, or have
                a newer version of the format.
            SessionExists: a session exists with another content, belongs to another owner, was
                deleted within the last hour, or was changed during the import.
        """
        if isinstance(lines, (str, bytes)):
            raise TypeError("lines must be an iterable of lines, such as an open file, got a text")
        if progress is not None:
            check_callable("progress", progress)
        run = LinesImport(await self._connections.current().log(), progress)
        if isinstance(lines, AsyncIterable):
            async for line in lines:
                await run.line(line)
        else:
            for line in lines:
                await run.line(line)
        return run.end()

    async def _export(
        self, prefix: str, session_ids: Iterable[str] | None, owner: str | None
    ) -> AsyncIterator[str]:
        connection = self._connections.current()
        with Explained():
            log = await connection.log()
            await connection.cards.touches.flush(owner=owner)
        read = explaining(export_lines(log, prefix, session_ids, owner).__anext__)
        while True:
            try:
                line = await read()
            except StopAsyncIteration:
                return
            yield line
