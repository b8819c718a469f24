"""The card of a session in an export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InvalidItem, ItemTooLarge
from ..log.cards.card_copies import CARD_FIELDS
from ..log.documents import decode, encode, is_utf8
from .dates import from_text, to_text
from .lines import check_fields

if TYPE_CHECKING:
    from ..log.documents import Document

_DATES = ("created_at", "active_at")


def to_exported(card: Document) -> dict[str, Any]:
    """The fields of a card, in their order."""
    exported = {field: card[field] for field in CARD_FIELDS if card.get(field) is not None}
    exported |= {field: to_text(card[field]) for field in _DATES if field in exported}
    if "metadata" in exported:
        exported["metadata"] = decode(exported["metadata"])
    return exported


def to_card(exported: object) -> dict[str, Any]:
    """The card, as it is stored.

    Raises:
        ValueError: a field is missing, not known, or has a wrong value.
    """
    if not isinstance(exported, dict):
        raise ValueError(f"card must be an object, got {type(exported).__name__}")  # noqa: TRY004 - the type of a text
    check_fields(exported, CARD_FIELDS)
    card: dict[str, Any] = dict(exported)
    for field in _DATES:
        if field not in card:
            raise ValueError(f"the field {field!r} of the card is missing")
        card[field] = from_text(field, card[field])
    for field in ("owner", "title"):
        if field in card and not (isinstance(card[field], str) and is_utf8(card[field])):
            raise ValueError(f"{field} of the card must be a text in Unicode")
    if "metadata" in card:
        try:
            card["metadata"], _ = encode(card["metadata"], "metadata")
        except (InvalidItem, ItemTooLarge) as error:
            raise ValueError(str(error)) from None
    return card
