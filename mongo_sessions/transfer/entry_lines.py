"""An item in an export, and the document that it is stored as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bson
from bson import ObjectId

from ..errors import ItemTooLarge
from ..log.documents import MAX_ITEM_BYTES, ROOMY_ITEM_BYTES, decode, encode
from .dates import from_text, to_text
from .lines import check_fields

if TYPE_CHECKING:
    from ..log.documents import Document

ENTRY_FIELDS = (
    "seq",
    "item",
    "created_at",
    "tokens",
    "total_tokens",
    "turn",
    "summary",
    "pins",
    "pinned",
    "receipt",
    "gaps",
)
_NUMBERS = ("tokens", "total_tokens", "turn", "gaps")
_COUNTS = ("tokens", "total_tokens")
_JSON_OBJECTS = ("summary", "receipt")
_PIN_FIELDS = ("seq", "item", "created_at")
_MAX_BYTES = 16 * 1024 * 1024
_MOST = 2**63 - 1


def to_entry(document: Document) -> dict[str, Any]:
    """The fields of a document that an export has, in their order."""
    entry = {field: document[field] for field in ENTRY_FIELDS if field in document}
    entry["item"] = decode(entry["item"])
    entry["created_at"] = to_text(entry["created_at"])
    if "pins" in entry:
        entry["pins"] = [
            {
                "seq": pin["seq"],
                "item": decode(pin["item"]),
                "created_at": to_text(pin["created_at"]),
            }
            for pin in entry["pins"]
        ]
    return entry


def to_document(session_id: str, entry: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """The document of an entry, and its size in bytes.

    Raises:
        ValueError: a field is missing, not known, or has a wrong value.
    """
    check_fields(entry, ENTRY_FIELDS)
    _check_numbers(entry)
    try:
        encoded, size = encode(entry["item"])
        document = {
            "_id": ObjectId(),
            "session_id": session_id,
            **entry,
            "item": encoded,
            "created_at": from_text("created_at", entry["created_at"]),
            **{name: _bson_object(entry[name], name) for name in _JSON_OBJECTS if name in entry},
            **({"pins": _pins(entry["pins"])} if "pins" in entry else {}),
        }
    except (TypeError, ItemTooLarge) as error:  # InvalidItem is a TypeError
        raise ValueError(str(error)) from None
    if size > ROOMY_ITEM_BYTES:
        document["is_full"] = True
    if ("summary" in document or "pins" in document) and len(bson.encode(document)) > _MAX_BYTES:
        raise ValueError("the item and its summary do not fit into one document")
    return document, size


def _check_numbers(entry: dict[str, Any]) -> None:
    for field in ("seq", "item", "created_at", "turn"):
        if field not in entry:
            raise ValueError(f"the field {field!r} is missing")
    _check_number("seq", entry["seq"], at_least=1)
    for field in _NUMBERS:
        if field in entry and (entry[field] is not None or field not in _COUNTS):
            _check_number(field, entry[field], at_least=0)
    if entry.get("gaps", 0) >= entry["seq"]:
        raise ValueError("gaps must be less than seq")
    if entry.get("pinned", True) is not True:
        raise ValueError("pinned must be true, or absent")


def _check_number(name: str, value: object, *, at_least: int) -> None:
    # The value is not in the message: it may be the text of an item.
    if type(value) is not int or not at_least <= value <= _MOST:
        raise ValueError(f"{name} must be a whole number of 64 bits from {at_least} up")


def _bson_object(value: object, name: str) -> dict[str, Any]:
    """Data of this package, which BSON holds."""
    if not isinstance(value, dict):
        raise TypeError(f"{name} must be a JSON object, got {type(value).__name__}")
    encoded, size = encode(value, name)
    if not isinstance(encoded, dict) or size > MAX_ITEM_BYTES:
        raise ValueError(f"{name} holds what a document cannot hold")
    return encoded


def _pins(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise TypeError(f"pins must be a list, got {type(value).__name__}")
    pins = []
    for index, pin in enumerate(value):
        name = f"pins[{index}]"
        if not isinstance(pin, dict) or list(pin) != list(_PIN_FIELDS):
            raise ValueError(f"{name} must be an object with seq, item and created_at")
        _check_number(f"{name}.seq", pin["seq"], at_least=1)
        item, _ = encode(pin["item"], f"{name}.item")
        pins.append({**pin, "item": item, "created_at": from_text(name, pin["created_at"])})
    return pins
