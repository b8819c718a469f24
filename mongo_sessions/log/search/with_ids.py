"""The query for items by the ids in them, which models and clients choose."""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import TYPE_CHECKING

from ..documents import is_utf8

if TYPE_CHECKING:
    from collections.abc import Collection

    from ..documents import Document

# The total length of the ids in one query, in characters.
_LONGEST_IDS = 1_000_000
# MongoDB limits a regular expression to 32,764 bytes ("Query and Projection Operators: $regex").
_LONGEST_PATTERN = 16_000


def with_ids(session_id: str, ids: Collection[str], before_seq: int) -> Document:
    """Matches the items below ``before_seq`` that have one of ``ids``, and every barrier.

    An item that is stored as JSON text matches if one of ``ids`` is a string anywhere in it.
    """
    wanted = [one for one in _within(ids, _LONGEST_IDS) if is_utf8(one)]
    places: list[Document] = [{"item.call_id": {"$in": wanted}}, {"item.id": {"$in": wanted}}]
    if in_text := _within([re.escape(json.dumps(one)) for one in ids], _LONGEST_PATTERN):
        places.append({"item": {"$regex": "|".join(in_text)}})
    places.append({"barrier": {"$exists": True}})
    return {"session_id": session_id, "seq": {"$lt": before_seq}, "$or": places}


def _within(texts: Collection[str], characters: int) -> list[str]:
    """The first texts, as many as have at most ``characters`` in total."""
    lengths = accumulate(len(text) + 1 for text in texts)
    return [text for text, end in zip(texts, lengths, strict=True) if end <= characters]
