"""What a session object remembers from its reads and writes, to make the next ones cheaper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..concurrency.clocks import clocks
from .recalled_tokens import RecalledTokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..log.documents import Document, Head

_HEAD_SECONDS = 300.0
"""Far less than ``MARK_SECONDS`` in log/places.py: no place up to a remembered head is free."""


class SessionState:
    """The state of one session after the last read or write of its session object."""

    def __init__(self) -> None:
        self.skip_maintenance_until = 0
        """Below this number of tokens, the policy's ``maintain`` has no work."""
        self.counts_are_checked = False
        """Whether the newest item was counted again: see count_check.py."""
        self.overhead_tokens: int | None = None
        """Tokens of a prompt outside the history; None before a response has reported its usage."""
        self.view_start: int | None = None
        """Items below this place are not in the view that was read last. 0: the view has all items.
        None: not known."""
        self.recalled_tokens = RecalledTokens()
        """Of the blocks that filters have added to the inputs of model calls."""
        self._head: Head | None = None
        self._told_at = clocks()

    @property
    def head(self) -> Head | None:
        """What the next append is numbered after; None if that is not known, or outdated."""
        is_outdated = any(
            now - then > _HEAD_SECONDS for now, then in zip(clocks(), self._told_at, strict=True)
        )
        return None if is_outdated else self._head

    @head.setter
    def head(self, head: Head | None) -> None:
        self._head, self._told_at = head, clocks()

    def take_head(self) -> Head | None:
        """Return the head, and forget it: one append may use it."""
        head, self.head = self.head, None
        return head

    def forget(self) -> None:
        """Forget head and length of the session, because items are removed."""
        self.head, self.skip_maintenance_until = None, 0

    def observe_overhead(self, tokens: int) -> None:
        """Take the overhead of one prompt into account.

        The estimate rises at once, so that the next prompt fits. It falls by a quarter of the
        difference: agents with other tools may take turns in a session.
        """
        known = self.overhead_tokens
        if known is None or tokens >= known:
            self.overhead_tokens = tokens
        else:
            self.overhead_tokens = known - -(-(known - tokens) // 4)

    def recall_overhead(self, newest_first: Sequence[Document]) -> None:
        """Take the estimate of the newest receipt, which any worker may have written."""
        for document in newest_first:
            if "overhead" in (receipt := document.get("receipt", {})):
                self.overhead_tokens = receipt["overhead"]
                return
