"""The block: the items that the next fold covers."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from ..cuts import CutKind, cut_kind
from ..late_outputs import earlier_calls
from ..window import Stretch
from .segments import Segment, from_summary
from .usage import NOTHING_USED, SummarizerUsage, usage_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from ..policy import Entry, History


class Block(NamedTuple):
    """The items after the newest summary, up to and including ``anchor``."""

    entries: list[Entry]
    segments: list[Segment]
    """The summary of everything before the block."""
    calls: list[Entry]
    """Earlier entries with the calls of late outputs in this block."""
    usage: SummarizerUsage = NOTHING_USED
    """What the summary of everything before the block has cost: see :func:`usage_of`."""
    before: Entry | None = None
    """The item that carries the summary of everything before the block."""

    @property
    def anchor(self) -> Entry:
        """The last item, which will carry the summary."""
        return self.entries[-1]

    @property
    def tokens(self) -> int:
        """Of the items."""
        return sum(entry.tokens for entry in self.entries)


async def latest_anchor(history: History) -> Entry | None:
    """The newest item that carries a summary of this policy."""
    latest = await history.latest_summary()
    return latest if latest is not None and from_summary(latest.summary) else None


class Unfolded(NamedTuple):
    """The items after the newest summary, while they have no block to fold."""

    tokens: int
    newest: Entry | None
    """The newest item of the session."""


async def next_block(
    history: History, fold_tokens: int, idle: timedelta | None = None
) -> Block | None:
    """The block of :func:`find_block`; if there is none, the session learns when to ask again."""
    found = await find_block(history, fold_tokens, idle)
    if isinstance(found, Block):
        return found
    total_tokens = found.newest.total_tokens if found.newest else 0
    history.skip_maintenance_until(total_tokens + max(0, 2 * fold_tokens - found.tokens))
    return None


async def find_block(
    history: History, fold_tokens: int, idle: timedelta | None = None
) -> Block | Unfolded:
    """The oldest items after the newest summary, with about ``fold_tokens`` tokens.

    No block while there are fewer than twice ``fold_tokens``: the newest items are never folded. A
    block ends at the best cut between ``fold_tokens`` and one and a half times ``fold_tokens``:
    before a user message, otherwise before a model response, otherwise before any item that can
    stand first. Without such a cut, it ends at the best later one. A call and its output are folded
    together unless four times ``fold_tokens`` have no other cut. An item without room for a summary
    ends no block.

    With ``idle``, a block is also due at a pause of that length, between two items or after the
    newest one, if ``fold_tokens`` precede it. It leaves at least half of ``fold_tokens`` before the
    pause, if there is a cut.

    The result depends only on the stored items up to there: every worker computes the same block.
    A block that was due after the newest item is the same when an item has followed.
    """
    latest = await latest_anchor(history)
    due, split_due = 2 * fold_tokens, 4 * fold_tokens
    entries: list[Entry] = []
    tokens = 0
    async for entry in history.oldest_first(latest.seq if latest else 0):
        has_pause = idle and entries and entry.created_at - entries[-1].created_at >= idle
        if has_pause and (end := _end_at_pause(entries, fold_tokens, tokens)):
            return await _block(history, entries[:end], latest)
        after = tokens + entry.tokens
        is_due_now = tokens < due <= after or tokens < split_due <= after
        # A group of items that belong together may be longer. Then the block waits for the next
        # cut.
        may_be_cut = tokens >= due and _may_end_before(
            entry, entries[-1], may_split=tokens >= split_due
        )
        entries.append(entry)
        tokens = after
        if not (is_due_now or may_be_cut):
            continue
        if end := _end(entries, fold_tokens, may_split=tokens >= split_due):
            return await _block(history, entries[:end], latest)
    if idle and tokens >= fold_tokens and await is_idle(history, entries[-1], idle):
        end = _end_at_pause(entries, fold_tokens, tokens)
        return (
            await _block(history, entries[:end], latest) if end else Unfolded(tokens, entries[-1])
        )
    return Unfolded(tokens, entries[-1] if entries else latest)


def _end_at_pause(entries: Sequence[Entry], fold_tokens: int, tokens: int) -> int:
    """The number of entries in the block that is due at a pause after ``entries``; 0 if none is."""
    if tokens < fold_tokens:
        return 0
    return _end(entries, max(fold_tokens // 2, tokens - fold_tokens), may_split=False)


async def is_idle(history: History, newest: Entry, idle: timedelta) -> bool:
    """Whether nothing was added for that long, by the clock of the log."""
    return await history.now() - newest.created_at >= idle


async def _block(history: History, entries: list[Entry], before: Entry | None) -> Block:
    summary = before.summary if before else None
    calls = await earlier_calls(history, Stretch(entries))
    return Block(entries, from_summary(summary), calls, usage_of(summary), before)


def _may_end_before(entry: Entry, previous: Entry, *, may_split: bool) -> bool:
    kind = cut_kind(entry.item, previous.item)
    return kind is not None and (may_split or kind <= CutKind.RESPONSE)


def _end(entries: Sequence[Entry], fold_tokens: int, *, may_split: bool) -> int:
    """The number of entries in the block; 0 if there is no cut for its end yet."""
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
