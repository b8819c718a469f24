"""The block: the part of a conversation that is folded into the summary next."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from .cuts import allowed_cuts, may_start
from .segments import Segment, from_summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .policy import Entry, History


class Block(NamedTuple):
    """The items after the newest summary, up to and including ``anchor``."""

    entries: list[Entry]
    segments: list[Segment]
    """The summary of everything before."""

    @property
    def anchor(self) -> Entry:
        """The last item, which will carry the summary."""
        return self.entries[-1]


async def latest_anchor(history: History) -> Entry | None:
    """The newest item that carries a summary; what another policy has stored there is none."""
    latest = await history.latest_summary()
    return latest if latest is not None and from_summary(latest.summary) else None


async def next_block(history: History, fold_tokens: int) -> Block | None:
    """The oldest items after the newest summary, about ``fold_tokens`` of them.

    None while there are less than twice as many, so that the newest stay as they are. A block ends
    before the first user message that has ``fold_tokens`` before it, if that comes within half as
    many more, and otherwise at the first place where a history may be cut. An item without room
    for a summary ends no block. All of this depends on what is stored up to there, and on nothing
    else: every worker comes to the same block.
    """
    latest = await latest_anchor(history)
    due = 2 * fold_tokens
    entries: list[Entry] = []
    tokens = 0
    async for entry in history.oldest_first(latest.seq if latest else 0):
        is_due_now = tokens < due <= tokens + entry.tokens
        # A group of items that belong together may be longer than that. Then the next place for a
        # cut is waited for.
        may_be_cut = tokens >= due and may_start(entry.item, entries[-1].item)
        entries.append(entry)
        tokens += entry.tokens
        if (is_due_now or may_be_cut) and (end := _end(entries, fold_tokens)):
            return Block(entries[:end], from_summary(latest.summary) if latest else [])
    newest = entries[-1] if entries else latest
    history.maintain_from((newest.total_tokens if newest else 0) + max(0, due - tokens))
    return None


def _end(entries: Sequence[Entry], fold_tokens: int) -> int:
    """How many entries a block has; 0 if there is no place for its end yet."""
    tokens_before = list(accumulate((entry.tokens for entry in entries), initial=0))
    cuts = [
        cut
        for cut in allowed_cuts([entry.item for entry in entries], before=None)
        if tokens_before[cut.position] >= fold_tokens and _may_carry(entries[cut.position - 1])
    ]
    for position, starts_turn in cuts:
        if starts_turn and tokens_before[position] < fold_tokens * 3 // 2:
            return position
    return cuts[0].position if cuts else 0


def _may_carry(entry: Entry) -> bool:
    """Whether a summary can be stored on this item."""
    return entry.summary is None and entry.has_room
