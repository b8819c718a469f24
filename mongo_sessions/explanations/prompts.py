"""Prompts of a session: what the policy shows now, and what it showed when an item was written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..policies import Added, BoundedHistory, CutReason, PastHistory, View, view_of
from ..policies.late_outputs import complete_window
from ..policies.window import Stretch

if TYPE_CHECKING:
    from ..history.history import SessionHistory
    from ..log.receipts import Receipt, Receipts
    from ..policies import Entry, History, RetrievalPolicy
    from ..policies.view import Part

_CHANGED = (
    "The policy now begins at another item than it did then, so it was changed, or items were "
    "removed. The prompt is shown from the item at which it began then."
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """The part of a prompt that comes from the session."""

    view: View
    last_seq: int
    """Of the newest stored item at that time; 0 if there was none."""
    since: tuple[Entry, ...] = ()
    """The items that followed the view: the new input, and what the run had produced."""
    overhead_tokens: int = 0
    notes: tuple[str, ...] = ()

    @property
    def parts(self) -> list[Part]:
        return [*self.view.parts, *self.since]


@dataclass(frozen=True, slots=True)
class Prompts:
    """Reads prompts of one session. Nothing is changed, and no summariser is asked."""

    history: SessionHistory
    receipts: Receipts
    policy: RetrievalPolicy | None
    limit: int | None
    """Items that are shown without a policy; None for all."""

    async def now(self) -> Prompt:
        """What would be shown now."""
        newest = await anext(self.history.newest_first(), None)
        last_seq = newest.seq if newest else 0
        history = BoundedHistory(self.history, last_seq)
        view = await self._view(history)
        return Prompt(view, last_seq, overhead_tokens=history.overhead_tokens)

    async def of(self, receipt: Receipt) -> Prompt | None:
        """What was shown for the model call with this receipt.

        None if the receipt does not say what the run had read, or if the summary that was shown is
        no longer stored.
        """
        if receipt.seen is None:
            return None
        before = await self.receipts.latest_receipt(self.history.session_id, receipt.seen + 1)
        history = PastHistory(
            self.history,
            receipt.seen,
            anchor=receipt.anchor,
            overhead_tokens=(before.overhead if before else None) or 0,
        )
        if receipt.anchor is not None:
            anchor = await history.latest_summary()
            if anchor is None or anchor.summary is None:
                return None
        view = await self._view(history)
        has_changed = view.start_seq != receipt.cut
        if has_changed:
            view = await _view_from(history, view, receipt.cut)
        since = await _between(self.history, receipt.seen, receipt.seq)
        overhead = history.overhead_tokens
        notes = (_CHANGED,) if has_changed else ()
        return Prompt(view, receipt.seq - 1, tuple(since), overhead, notes)

    async def _view(self, history: History) -> View:
        if self.policy is not None:
            return await view_of(self.policy, history)
        return await _newest(history, self.limit)


async def _newest(history: History, limit: int | None) -> View:
    """The newest items, unchanged: what a session without a policy shows."""
    entries: list[Entry] = []
    is_whole = limit != 0
    async for entry in history.newest_first():
        if len(entries) == limit:
            is_whole = False
            break
        entries.append(entry)
    reason = CutReason.WHOLE if is_whole else CutReason.LIMIT
    start_seq = entries[-1].seq if entries else None
    return View(entries[::-1], reason, start_seq)


async def _view_from(history: History, view: View, cut: int | None) -> View:
    """The summary of ``view``, if it has one, and the window that begins at ``cut``."""
    entries: list[Entry] = []
    if cut is not None:
        entries = [entry async for entry in history.oldest_first(cut - 1)]
    window = await complete_window(history, Stretch(entries), 0)
    added = [part for part in view.parts if isinstance(part, Added)]
    return replace(view, parts=[*added, *window.entries], start_seq=cut, reason=CutReason.UNKNOWN)


async def _between(history: History, after_seq: int, before_seq: int) -> list[Entry]:
    """The entries between two places, without these."""
    found: list[Entry] = []
    async for entry in history.oldest_first(after_seq):
        if entry.seq >= before_seq:
            break
        found.append(entry)
    return found
