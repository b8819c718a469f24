"""The ranges of a summary's segments, with the dates at their ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .explanation_parts import SummaryRange
from .log.documents import in_utc
from .policies.summarize.segments import from_summary

if TYPE_CHECKING:
    from .log.log import Log
    from .policies import Entry


async def ranges_of(log: Log, session_id: str, anchor: Entry) -> tuple[SummaryRange, ...]:
    """Oldest first; one find for all dates. Empty if another policy has stored the summary."""
    segments = from_summary(anchor.summary)
    ends = {seq for segment in segments for seq in (segment.first_seq, segment.last_seq)}
    found = await log.inventory.dates(session_id, ends)
    dates = {seq: in_utc(date) for seq, date in found.items()}
    return tuple(
        SummaryRange(
            first_seq=segment.first_seq,
            last_seq=segment.last_seq,
            first_at=dates.get(segment.first_seq),
            last_at=dates.get(segment.last_seq),
            level=segment.level,
            rewrites=segment.rewrites,
            tokens=segment.tokens,
        )
        for segment in segments
    )
