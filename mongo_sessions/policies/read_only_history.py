"""A history for looking at a policy: whatever the policy does, nothing is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .wrapped_history import WrappedHistory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .policy import Entry, Summary


class ReadOnlyHistory(WrappedHistory):
    """Refuses every claim, so no summariser is asked, and runs nothing in the background."""

    async def claim(self, entry: Entry, seconds: float) -> bool:  # noqa: ARG002
        return False

    async def back_off(self, entry: Entry, seconds: float, reason: str = "") -> None:
        """No effect."""

    async def release(self, entry: Entry) -> None:
        """No effect."""

    async def save_summary(self, entry: Entry, summary: Summary) -> bool:  # noqa: ARG002
        return False

    async def run_in_background(self, work: Callable[[], Awaitable[bool]], seconds: float) -> None:
        """No effect."""

    def skip_maintenance_until(self, total_tokens: int) -> None:
        """No effect."""
