"""``mongo-sessions ensure-indexes``: create what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...log.server.server import explaining
from ..opening import opened
from ..target import NO, CommandError

if TYPE_CHECKING:
    from ..opening import Opened
    from ..output import Output
    from ..target import Target


async def ensure_indexes(target: Target, output: Output) -> None:
    """Create the indexes that are missing, and print their names.

    Raises:
        IndexesMissing: one cannot be created.
        CommandError: an index is still of no use, such as a hidden one.
    """
    async with opened(target, output, writes=True) as database:
        before = await _defects(database)
        output.progress("creating indexes: that of a large collection takes long")
        await database.store.ensure_indexes()
        after = await _defects(database)
    output.end_progress()
    if before is None or after is None:
        text = "the user may not list the indexes: all that were missing are created"
        output.warn(text)
        return
    created = sorted(before - after)
    if output.as_json:
        output.record({"created": created, "remaining": sorted(after)})
    for name in () if output.as_json else created:
        output.line(f"created: {name}")
    if after:
        remaining = ", ".join(sorted(after))
        text = (
            f"still of no use: {remaining}. `mongo-sessions{target.options} doctor` says what to do"
        )
        raise CommandError(text, NO)
    if not (created or output.as_json):
        output.line("nothing to do: all indexes are there")


@explaining
async def _defects(database: Opened) -> set[str] | None:
    """The indexes that are missing or of no use; None if this user may not list them."""
    connection = database.connection
    await connection.check_collection()
    found: set[str] = set()
    for indexes in (connection.indexes, connection.cards.indexes):
        if (defects := await indexes.defects()) is None:
            return None
        found |= {f"{one.name} on {indexes}" for one in defects}
    return found
