"""The message that a view shows for a stored summary, within its room."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .kept import NOTHING_KEPT
from .message import summary_message
from .segments import from_summary, render, without_beginning

if TYPE_CHECKING:
    from ..policy import Entry, History, Item
    from .keeping import Keeping


def shown_message(
    history: History, anchor: Entry, keeping: Keeping, *, role: str, has_gap: bool
) -> Item:
    """The message for the summary on ``anchor``, of at most ``summary_tokens``.

    A stored summary fits, unless it was made with a larger budget or counted by another counter, or
    an item was pinned since. Then its keepsakes are left out, its beginning, and the rest of what
    is kept word for word, in this order, until it fits. The next fold makes it fit.
    """
    segments, kept = from_summary(anchor.summary), keeping.on(anchor)

    def message(*, is_cut: bool = False) -> Item:
        return summary_message(
            *(segments, anchor.created_at), kept=kept, role=role, has_gap=has_gap, is_cut=is_cut
        )

    shown = message()
    most = keeping.budget.summary_tokens
    summary = anchor.summary or {}
    is_counted = summary.get("pinned", []) == kept.seqs
    if is_counted and summary.get("tokens", math.inf) <= most:
        return shown
    while kept.keepsakes and history.count_tokens(shown) > most:
        kept = kept.less()
        shown = message()
    while render(segments) and history.count_tokens(shown) > most:
        segments = without_beginning(segments)
        shown = message(is_cut=True)
    while kept != NOTHING_KEPT and history.count_tokens(shown) > most:
        kept = kept.less()
        shown = message(is_cut=True)
    return shown
