"""The lease on one summary: while a worker holds it, every other worker leaves the block alone."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..policy import Entry, History, Summary

_RELEASE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Lease:
    """The claim on the item that is to carry a summary."""

    history: History
    anchor: Entry
    seconds: float
    """From each :meth:`acquire` until the lease expires."""

    async def acquire(self) -> bool:
        """Acquire or renew the lease; False if another worker holds it, or the item is gone."""
        return await self.history.claim(self.anchor, self.seconds)

    async def save(self, summary: Summary) -> bool:
        """Store the summary and end the lease; False if the lease was lost."""
        return await self.history.save_summary(self.anchor, summary)

    async def back_off(self, seconds: float, reason: str) -> None:
        """End the lease after a failure. No worker may acquire it for this long."""
        await self.history.back_off(self.anchor, seconds, reason)

    async def release(self) -> None:
        """End the lease without an attempt: another worker may acquire it at once."""
        await self.history.release(self.anchor)

    async def release_on_cancellation(self) -> None:
        """Release, or give up: the event loop may be ending. Then the lease expires by itself."""
        with suppress(Exception):
            await asyncio.wait_for(self.release(), _RELEASE_SECONDS)
