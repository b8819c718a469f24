"""The newest summary of a session, as text with its ranges."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..policies.summarize.kept import kept_on
from ..policies.summarize.segments import from_summary
from .parts import ExplainedSummary, SummaryRange
from .segment_ranges import ranges_of

if TYPE_CHECKING:
    from datetime import datetime

    from ..log.log import Log
    from ..policies import Entry


@dataclass(frozen=True, slots=True)
class SummarySegment:
    """A segment of a summary."""

    covers: SummaryRange
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """The newest summary of a session: the result of ``session.summary()``.

    ``print`` shows the text, with a heading above each segment. The repr has no text.
    """

    session_id: str
    anchor_seq: int
    """The last item that it covers."""
    created_at: datetime
    """When that item was added, in UTC."""
    tokens: int
    """Of the message that shows it."""
    segments: tuple[SummarySegment, ...]
    """Oldest first."""
    kept: str = field(default="", repr=False)
    """What is shown word for word below the segments: keepsakes, user messages, pinned items."""

    @property
    def text(self) -> str:
        """The whole summary, as a policy shows it."""
        texts = [segment.text for segment in self.segments]
        return "\n\n".join(text for text in (*texts, self.kept) if text)

    def __str__(self) -> str:
        ranges = tuple(segment.covers for segment in self.segments)
        whole = ExplainedSummary(self.anchor_seq, self.created_at, self.tokens, ranges)
        texts = [f"[{segment.covers}]\n{segment.text}" for segment in self.segments]
        heading = f"Summary of session {self.session_id!r}, {whole}"
        return "\n\n".join(filter(None, [heading, *texts, self.kept]))


async def summary_on(log: Log, session_id: str, anchor: Entry) -> SessionSummary | None:
    """The summary on this item; None if another policy has stored it."""
    segments = from_summary(anchor.summary)
    if not segments or anchor.summary is None:
        return None
    ranges = await ranges_of(log, session_id, anchor)
    return SessionSummary(
        session_id=session_id,
        anchor_seq=anchor.seq,
        created_at=anchor.created_at,
        tokens=anchor.summary.get("tokens", sum(segment.tokens for segment in segments)),
        segments=tuple(
            SummarySegment(covers, segment.text)
            for covers, segment in zip(ranges, segments, strict=True)
        ),
        kept=kept_on(anchor, keepsakes=True, messages=True).render(),
    )
