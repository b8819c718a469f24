"""``mongo-sessions summary``: the newest summary of a session as text."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ..opening import opened
from ..target import no
from ..times import iso

if TYPE_CHECKING:
    from ..output import Output
    from ..target import Target


async def summary(target: Target, output: Output, session_id: str) -> None:
    """Print the summary, with the range of each segment."""
    async with opened(target, output) as database:
        session = await database.existing(session_id)
        found = await session.summary()
        anchor = await (await database.history(session_id)).latest_summary()
    if found is None:
        if anchor is None:
            raise no(f"session {session_id!r} has no summary")
        raise no(
            f"item {anchor.seq} of session {session_id!r} has a summary that this version does "
            "not know: another policy, or a newer version of mongo-sessions has stored it"
        )
    if not output.as_json:
        heading, _, text = str(found).partition("\n")
        output.line(heading, "bold")
        output.line(text)
        return
    output.record(
        {
            "session_id": session_id,
            "summary_on": found.anchor_seq,
            "created_at": iso(found.created_at),
            "tokens": found.tokens,
            "segments": [{**asdict(one.covers), "text": one.text} for one in found.segments],
            "kept": found.kept,
        }
    )
