"""``mongo-sessions recount``: count all stored items again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...explanations.rows import plural
from ..opening import opened

if TYPE_CHECKING:
    from ...store.recount import RecountProgress
    from ..output import Output
    from ..target import Target


async def recount(target: Target, output: Output, *, prefix: str) -> None:
    """Count, one session after another. Ctrl-C loses nothing; a second run continues."""
    last: list[RecountProgress] = []

    def tell(done: RecountProgress) -> None:
        last[:] = [done]
        output.progress(
            f"session {done.session_number:,}: {done.documents:,} items, {done.changed:,} changed"
        )

    async with opened(target, output, writes=True) as database:
        changed = await database.store.recount(prefix=prefix, progress=tell)
    sessions = last[0].session_number if last else 0
    documents = last[0].documents if last else 0
    if output.as_json:
        output.record({"sessions": sessions, "items": documents, "changed": changed})
    else:
        items = f"{documents:,} {plural('item', documents)}"
        where = f"{sessions:,} {plural('session', sessions)}"
        output.line(f"{items} in {where}, {changed:,} had other counts")
