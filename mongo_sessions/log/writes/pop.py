"""Remove the newest item of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bson import ObjectId

from ..places import CONTENT, LIVE_OR_BARRIER, MARK_OR_BARRIER, is_barrier

if TYPE_CHECKING:
    from ..documents import Encoded
    from .marks import Marker

_FIELDS = ["item", "barrier", "popped"]


async def pop(marker: Marker, session_id: str, now: object) -> Encoded | None:
    """Turn the newest item into a mark, exactly once, and return it; None if there is no item.

    The mark keeps the item, so that a retry can return it after a lost answer. ``now`` is the
    server's time, as an expression.

    If a barrier is newer than every item, the session is empty. The barrier stays as it is.
    """
    token = ObjectId()
    query = {"session_id": session_id, **LIVE_OR_BARRIER}
    marked = {"session_id": session_id, **MARK_OR_BARRIER, "popped.token": token}
    before, after = await marker.mark_newest(
        query, _to_popped(token, now), marked=marked, fields=_FIELDS
    )
    if after is not None:
        popped: Encoded = after["popped"]["item"]
        return popped
    return None if before is None or is_barrier(before) else before["item"]


def _to_popped(token: ObjectId, now: object) -> list[dict[str, Any]]:
    is_item = {"$gt": ["$item", None]}
    popped = {"item": "$item", "token": token}
    return [
        {
            "$set": {
                "popped": {"$cond": [is_item, popped, "$popped"]},
                "gone_at": {"$cond": [is_item, now, "$gone_at"]},
            }
        },
        {"$project": dict.fromkeys(CONTENT, 0)},
        # A barrier keeps the field: barriers are found through the index of summaries.
        {"$set": {"summary": {"$cond": ["$barrier", None, "$$REMOVE"]}}},
    ]
