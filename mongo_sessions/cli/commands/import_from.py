"""``mongo-sessions import --from``: the sessions of another store of the SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import InvalidItem, ItemTooLarge, SessionExists
from ...transfer import Imported, import_session
from ..opening import opened
from ..sources import open_source, told
from ..target import no

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from ..opening import Opened
    from ..output import Output
    from ..sources import Source
    from ..target import Target

_REFUSALS = (SessionExists, InvalidItem, ItemTooLarge, ValueError)
"""Of one session. The rest can be imported."""


async def import_from(
    target: Target, output: Output, text: str, session_ids: Sequence[str] | None
) -> tuple[Imported, int]:
    """Copy these sessions, or all, one after the other. A second run adds what is missing.

    Returns:
        What was imported, and the number of sessions that were refused, each told on stderr.

    Raises:
        CommandError: there are no sessions.
    """
    done, refused = Imported(), 0
    async with open_source(text, target) as source, opened(target, output, writes=True) as database:
        await database.create_indexes_if_new()
        with told(source, text):
            async for session_id in _ids(source, session_ids):
                try:
                    one = await _copied(database, source, session_id, done, output)
                except _REFUSALS as error:
                    output.warn(f"session {session_id!r} is not imported: {error}")
                    refused += 1
                    continue
                if one.items + one.skipped:
                    done = _sum(done, one)
                elif session_ids:
                    output.warn(f"there is no session {session_id!r} with items in the source")
                    refused += 1
    if not done.sessions and not refused:
        raise no("there are no sessions in the source")
    return done, refused


async def _copied(
    database: Opened, source: Source, session_id: str, before: Imported, output: Output
) -> Imported:
    def progress(so_far: Imported) -> None:
        both = _sum(before, so_far)
        output.progress(f"{both.sessions:,} sessions, {both.items:,} items")

    async with source.session(session_id) as session:
        dates = await source.dates(session_id)
        return await import_session(database.store, session, created_at=dates, progress=progress)


async def _ids(source: Source, session_ids: Sequence[str] | None) -> AsyncIterator[str]:
    if session_ids:
        for session_id in dict.fromkeys(session_ids):
            yield session_id
        return
    async for session_id in source.session_ids():
        yield session_id


def _sum(one: Imported, other: Imported) -> Imported:
    return Imported(
        one.sessions + other.sessions, one.items + other.items, one.skipped + other.skipped
    )
