"""The block: the part of a conversation that is folded into the summary next."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from ..cuts import CutKind, cut_kind
from ..late_outputs import earlier_calls
from ..window import Stretch
from .segments import Segment, from_summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..policy import Entry, History


class Block(NamedTuple):
    """The items after the newest summary, up to and including ``anchor``."""

    entries: list[Entry]
    segments: list[Segment]
    """The summary of everything before."""
    calls: list[Entry]
    """Earlier entries, with the calls that outputs in this block answer late."""

    @property
    def anchor(self) -> Entry:
        """The last item, which will carry the summary."""
        return self.entries[-1]

    @property
    def tokens(self) -> int:
        """Of the items."""
        return sum(entry.tokens for entry in self.entries)


async def latest_anchor(history: History) -> Entry | None:
    """The newest item that carries a summary; what another policy has stored there is none."""
    latest = await history.latest_summary()
    return latest if latest is not None and from_summary(latest.summary) else None


async def next_block(history: History, fold_tokens: int) -> Block | None:
    """The oldest items after the newest summary, about ``fold_tokens`` of them.

    None while there are less than twice as many, so that the newest stay as they are. A block ends
    at the best cut that has ``fold_tokens`` before it and comes within half as many more: before a
    user message, otherwise before a model response, otherwise before any item that can stand first.
    If there is none, it ends at the best cut later on. A call and its output are folded together
    unless four times ``fold_tokens`` have no other cut. An item without room for a summary ends no
    block. All of this depends on what is stored up to there, and on nothing else: every worker
    comes to the same block.
    """
    latest = await latest_anchor(history)
    due, split_due = 2 * fold_tokens, 4 * fold_tokens
    entries: list[Entry] = []
    tokens = 0
    async for entry in history.oldest_first(latest.seq if latest else 0):
        after = tokens + entry.tokens
        is_due_now = tokens < due <= after or tokens < split_due <= after
        # A group of items that belong together may be longer than that. Then the next place for a
        # cut is waited for.
        may_be_cut = tokens >= due and _may_end_before(
            entry, entries[-1], may_split=tokens >= split_due
        )
        entries.append(entry)
        tokens = after
        if not (is_due_now or may_be_cut):
            continue
        if end := _end(entries, fold_tokens, may_split=tokens >= split_due):
            block = entries[:end]
            segments = from_summary(latest.summary) if latest else []
            return Block(block, segments, await earlier_calls(history, Stretch(block)))
    newest = entries[-1] if entries else latest
    history.skip_maintenance_until((newest.total_tokens if newest else 0) + max(0, due - tokens))
    return None


def _may_end_before(entry: Entry, previous: Entry, *, may_split: bool) -> bool:
    kind = cut_kind(entry.item, previous.item)
    return kind is not None and (may_split or kind <= CutKind.RESPONSE)


def _end(entries: Sequence[Entry], fold_tokens: int, *, may_split: bool) -> int:
    """How many entries a block has; 0 if there is no place for its end yet."""
    tokens_before = list(accumulate((entry.tokens for entry in entries), initial=0))
    cuts = [
        cut
        for cut in Stretch(entries).cuts(before=None)
        if tokens_before[cut.position] >= fold_tokens and _may_carry(entries[cut.position - 1])
    ]
    clean = [cut for cut in cuts if cut.kind is not CutKind.SPLIT]
    cuts = clean if clean or not may_split else cuts
    near = [cut for cut in cuts if tokens_before[cut.position] < fold_tokens * 3 // 2]
    best = min(near or cuts, key=lambda cut: cut.kind, default=None)
    return best.position if best else 0


def _may_carry(entry: Entry) -> bool:
    """Whether a summary can be stored on this item."""
    return entry.summary is None and entry.has_room
