"""The card of a session: what a list of sessions shows."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from ..log.cards.cards import CardKey
from ..log.documents import decode, encode, in_utc
from ..log.session_ids import check_part_of_id

if TYPE_CHECKING:
    from types import EllipsisType

    from ..log.documents import Document, Encoded

MAX_METADATA_BYTES = 64 * 1024

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Card:
    """What a list shows of a session. It may be missing: see :meth:`MongoSession.card`."""

    session_id: str
    owner: str | None
    title: str | None
    metadata: dict[str, Any]
    """The application's; empty if there is none."""
    created_at: datetime
    """When the card was made, in UTC: by the first append, or the first use by its owner."""
    active_at: datetime
    """When an item was last added, in UTC: up to about a minute too early. In a card without items,
    when it was made."""

    @property
    def cursor(self) -> str:
        """Where the next page of a list begins: for ``after``. It is safe in a URL."""
        milliseconds = (self.active_at - _EPOCH) // _MILLISECOND
        return urlsafe_b64encode(f"{milliseconds}:{self.session_id}".encode()).decode()


def card_of(document: Document) -> Card:
    """A stored card."""
    metadata = document.get("metadata")
    return Card(
        document["_id"],
        document.get("owner"),
        document.get("title"),
        {} if metadata is None else decode(metadata),
        in_utc(document["created_at"]),
        in_utc(document["active_at"]),
    )


def key_of(cursor: object) -> CardKey:
    """The place that a cursor names.

    Raises:
        TypeError, ValueError: it is not a cursor of a card.
    """
    if not isinstance(cursor, str):
        raise TypeError(f"after must be the cursor of a card, got {cursor!r}")
    try:
        milliseconds, _, session_id = urlsafe_b64decode(cursor.encode()).decode().partition(":")
        time = _EPOCH + int(milliseconds) * _MILLISECOND
    except (ValueError, OverflowError) as error:
        raise ValueError(f"after must be the cursor of a card, got {cursor[:2000]!r}") from error
    return CardKey(time.replace(tzinfo=None), session_id)


def check_owner_name(owner: object) -> None:
    """Raise TypeError unless it is a str, ValueError unless it has 1 to 1,024 bytes."""
    check_part_of_id("owner", owner)
    if not owner:
        raise ValueError("owner must not be empty")


def card_changes(
    title: str | EllipsisType | None,
    metadata: dict[str, Any] | EllipsisType | None,
    owner: str | EllipsisType,
) -> dict[str, Encoded | None]:
    """The fields to change, checked; ``...`` leaves a field.

    Raises:
        InvalidItem: ``metadata`` is not a JSON object.
        TypeError, ValueError: an argument has the wrong type, or is too long.
    """
    changes: dict[str, Encoded | None] = {}
    if not isinstance(title, type(...)):
        if title is not None:
            check_part_of_id("title", title)
        changes["title"] = title
    if not isinstance(metadata, type(...)):
        changes["metadata"] = None if metadata is None else _encoded(metadata)
    if not isinstance(owner, type(...)):
        check_owner_name(owner)
        changes["owner"] = owner
    return changes


def _encoded(metadata: dict[str, Any]) -> Encoded:
    encoded, size = encode(metadata, "metadata")
    if size > MAX_METADATA_BYTES:
        raise ValueError(f"metadata must have at most {MAX_METADATA_BYTES:,} bytes, got {size:,}")
    return encoded
