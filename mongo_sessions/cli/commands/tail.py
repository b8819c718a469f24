"""``mongo-sessions tail``: the newest items, and each new one."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from ..entries import print_entry, record_of
from ..opening import opened

if TYPE_CHECKING:
    from ...policies import Entry
    from ..output import Output
    from ..target import Target


async def tail(
    target: Target, output: Output, session_id: str, *, lines: int, follow: bool, full: bool
) -> None:
    """Print the newest items; with ``follow``, wait for more until Ctrl-C."""

    def tell(entry: Entry) -> None:
        if output.as_json:
            output.record(record_of(entry))
        else:
            print_entry(output, entry, full=full)
        output.flush()

    async with opened(target, output) as database:
        session = database.store.session(session_id)
        if not follow:
            await database.existing(session_id)
        newest = await session.page(limit=max(1, lines))
        for entry in newest.entries if lines else ():
            tell(entry)
        if follow:
            last = newest.entries[-1].seq if newest.entries else 0
            async with aclosing(session.watch(after_seq=last)) as entries:
                async for entry in entries:
                    tell(entry)
