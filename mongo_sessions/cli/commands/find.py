"""``mongo-sessions find``: the items of a session that have these words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..entries import print_entry, record_of
from ..opening import opened
from ..target import no

if TYPE_CHECKING:
    from ..output import Output
    from ..target import Target


async def find(
    target: Target,
    output: Output,
    session_id: str,
    words: str,
    *,
    limit: int,
    seconds: float,
    full: bool,
) -> None:
    """Print what a search finds, best first, each with what belongs to it."""
    async with opened(target, output) as database:
        session = await database.existing(session_id)
        result = await session.search(words, limit=limit, seconds=seconds)
    for number, hit in enumerate(result.hits, 1):
        if output.as_json:
            entries = [record_of(entry) for entry in hit.entries]
            output.record({"seq": hit.seq, "score": hit.score, "entries": entries})
            continue
        output.line(f"{number}. item {hit.seq:,}, score {hit.score:.1f}", "bold magenta")
        for entry in hit.entries:
            print_entry(output, entry, full=full)
    if not result.is_complete:
        output.warn(f"only items from {result.searched_from_seq:,} on were compared: --seconds")
    if not result.hits:
        raise no(f"no item of session {session_id!r} has these words")
