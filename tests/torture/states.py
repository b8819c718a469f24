"""The state of a place in a raw document: an item, or its removal.

- live: it has an ``item``, and lies above every barrier.
- popped: the item moved to ``popped``, with the token of one call.
- cleared: it has an ``item`` still, or none, and lies at or below a barrier.
- stripped: nothing is left of the item: it was cleared, replaced or rewound.
- taken: it never had an item, which would have left its number of tokens. Rewinds, deletions and
  forks take a place each.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .marks import Mark, Version, versions_in

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Place:
    """One document of a session.

    Attributes:
        mark: In the text of its item; None if neither the document nor a poller knows.
        token: Of the call that popped it.
        text: What the item says, if the document has it.
    """

    seq: int
    id: str
    state: str
    mark: Mark | None
    token: str | None
    document: dict[str, Any]
    text: Version | None = None


def places_of(documents: Iterable[dict[str, Any]], seen: dict[str, Mark]) -> list[Place]:
    """The places of one session by seq; ``seen``: what pollers saw, by ``_id``."""
    ordered = sorted(documents, key=lambda document: document["seq"])
    barrier = max((d["seq"] for d in ordered if "barrier" in d), default=0)
    return [_place(document, barrier, seen) for document in ordered]


def _place(document: dict[str, Any], barrier: int, seen: dict[str, Mark]) -> Place:
    item_id, popped = str(document["_id"]), document.get("popped")
    mark, token, text = seen.get(item_id), None, None
    if "item" in document:
        state, text = "live", _text_of(document["item"], item_id)
        if "gone_at" in document or document["seq"] <= barrier:
            state = "cleared"
    elif popped:
        state, text, token = "popped", _text_of(popped["item"], item_id), str(popped["token"])
    elif "tokens" not in document:
        state = "taken"
    else:
        state = "cleared" if document["seq"] <= barrier else "stripped"
    mark = mark if text is None else text.mark
    return Place(document["seq"], item_id, state, mark, token, document, text)


def _text_of(item: Any, item_id: str) -> Version:
    versions = versions_in(json.dumps(item))
    return versions[0] if versions else Version(Mark(f"no-mark-{item_id}", 0, 0))
