"""The leases that one history holds on summaries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bson import ObjectId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..log.claims import Claims
    from ..log.documents import Document
    from ..policies import Summary


class Leases:
    """Claims with an id for each lease, so that a lost lease is never renewed or saved under.

    With one id for all leases, a fold whose lease was removed could acquire it again, and store a
    summary that contains what :meth:`Claims.forget` has removed.
    """

    def __init__(self, claims: Claims, session_id: str) -> None:
        self._claims = claims
        self._session_id = session_id
        self._held: dict[object, ObjectId] = {}
        """The id of the lease on each item, by the id of the item."""

    async def claim(self, item_id: object, seconds: float) -> bool:
        """Acquire the lease, or renew it if it is held; False if another worker has it."""
        held = self._held.get(item_id)
        if held is not None:
            if not await self._claims.renew(self._session_id, item_id, held, seconds):
                self._held.pop(item_id, None)
                return False
            return True
        # Before the command: if its answer is lost, the lease may be held.
        claimant = self._held[item_id] = ObjectId()
        if not await self._claims.claim(self._session_id, item_id, claimant, seconds):
            self._held.pop(item_id, None)
            return False
        return True

    async def back_off(self, item_id: object, seconds: float, reason: str) -> None:
        claimant = self._held.pop(item_id, None)
        if claimant is not None:
            await self._claims.back_off(self._session_id, item_id, claimant, seconds, reason)

    async def release(self, item_id: object) -> None:
        claimant = self._held.pop(item_id, None)
        if claimant is not None:
            await self._claims.release(self._session_id, item_id, claimant)

    async def save_summary(
        self, item_id: object, summary: Summary, pins: Sequence[Document]
    ) -> bool:
        """Under the lease if one was acquired; otherwise only if no worker has one."""
        claimant = self._held.get(item_id)
        is_saved = await self._claims.save_summary(
            self._session_id, item_id, claimant, summary, pins
        )
        self._held.pop(item_id, None)  # not after an error: the caller backs off under the lease
        return is_saved
