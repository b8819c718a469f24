"""Removing the newest item of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bson import ObjectId

from .places import LIVE_OR_BARRIER, MARK_OR_BARRIER, is_barrier

if TYPE_CHECKING:
    from .documents import Encoded
    from .marks import Marker

_FIELDS = ["item", "barrier", "popped"]


async def pop(marker: Marker, session_id: str, now: object) -> Encoded | None:
    """Make a mark of the newest item, exactly once, and return the item; None if there is none.

    The item stays in the mark for as long as that, so that a pop whose answer was lost finds it.
    ``now`` is the time in the server's terms.

    A barrier that is met before any item says that there is none; it is left as it is.
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
        {"$project": {"item": 0, "summary": 0, "claim": 0}},
        # A barrier keeps it: the index of the summaries is where barriers are found.
        {"$set": {"summary": {"$cond": ["$barrier", None, "$$REMOVE"]}}},
    ]
