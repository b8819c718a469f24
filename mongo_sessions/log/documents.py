"""The stored shape of an item: a document, or JSON text where BSON cannot hold it exactly."""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import bson
from bson.codec_options import CodecOptions

from ..errors import InvalidItem, ItemTooLarge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bson import ObjectId


Document: TypeAlias = "Mapping[str, Any]"
Item: TypeAlias = "dict[str, Any]"
Encoded: TypeAlias = "dict[str, Any] | str"

STORED: CodecOptions[dict[str, Any]] = CodecOptions()
"""The codec options of all reads, independent of the client's. Naive dates decode in two thirds of
the time."""

MAX_ITEM_BYTES = 16 * 1024 * 1024 - 64 * 1024
"""MongoDB's document limit, minus room for the fields around the item."""

ROOMY_ITEM_BYTES = 15 * 1024 * 1024
"""A document with an item of at most this size has room for any summary."""

# MongoDB allows 100 levels of nesting, including the document around the item and the command.
_MAX_BSON_DEPTH = 80
# The json module recurses, Python limits the stack to 1,000 frames, and the application uses some.
_MAX_JSON_DEPTH = 500
_MIN_INT64, _MAX_INT64 = -(2**63), 2**63 - 1

# A place inside an item: the enclosing place, and the key or index in it. Formatted only for error
# messages.
_Place: TypeAlias = "tuple[_Place, str | int] | None"


class Head(NamedTuple):
    """The numbers after which the next item of a session is numbered."""

    seq: int = 0
    """The newest place."""
    items: int = 0
    """The number of stored items, and of items that retention has deleted."""
    total_tokens: int = 0
    turn: int = 0

    @property
    def gaps(self) -> int:
        """The number of places without an item. A clear or a deletion makes one of each place."""
        return self.seq - self.items

    @classmethod
    def of(cls, document: Document) -> Head:
        """The numbers of a document with an item."""
        seq = document["seq"]
        total_tokens = document.get("total_tokens") or 0
        return cls(seq, seq - document.get("gaps", 0), total_tokens, document["turn"])


class NewItem(NamedTuple):
    """An item to append, checked and counted."""

    encoded: Encoded
    size: int
    """In bytes."""
    tokens: int | None
    starts_turn: bool
    receipt: Document | None = None
    """What the model had been shown when it wrote the batch that this item begins."""


def encode(item: Item, name: str = "item") -> tuple[Encoded, int]:
    """Return the stored form of ``item``, and its size in bytes.

    Raises:
        InvalidItem: ``item`` is not a JSON object. The message starts with the path of the value,
            and the path starts with ``name``.
        ItemTooLarge: it does not fit into one document.
    """
    if not isinstance(item, dict):
        raise InvalidItem(f"{name} must be a dict, got {type(item).__name__}")
    encoded: Encoded = item
    if not _bson_holds(item, name):
        try:
            encoded = json.dumps(item, separators=(",", ":"), allow_nan=False)
        except ValueError as error:  # an integer beyond sys.get_int_max_str_digits
            raise InvalidItem(f"{name} cannot be written as JSON: {error}") from error
    size = len(bson.encode({"item": encoded}))
    if size > MAX_ITEM_BYTES:
        raise ItemTooLarge(f"{name} has {size:,} bytes; MongoDB can hold {MAX_ITEM_BYTES:,}")
    return encoded, size


def decode(encoded: Encoded) -> Item:
    """Return exactly the encoded item, including types and key order."""
    if isinstance(encoded, str):
        item: Item = json.loads(encoded)
        return item
    _make_plain(encoded)
    return encoded


def in_utc(stored: datetime) -> datetime:
    """Add the time zone to a stored date, which is a naive date in UTC."""
    return datetime.combine(
        stored, stored.time(), timezone.utc
    )  # in a quarter of the time of replace()


def to_documents(
    session_id: str, items: Mapping[ObjectId, NewItem], head: Head
) -> list[dict[str, Any]]:
    """The documents of a batch, numbered after ``head``."""
    now = datetime.now(timezone.utc)
    seq, total_tokens, turn = head.seq, head.total_tokens, head.turn
    gaps = {"gaps": head.gaps} if head.gaps else {}
    documents = []
    for item_id, item in items.items():
        seq += 1
        turn += item.starts_turn
        document = {"_id": item_id, "session_id": session_id, "seq": seq, "item": item.encoded}
        if item.tokens is not None:
            total_tokens += item.tokens
            document |= {"tokens": item.tokens, "total_tokens": total_tokens}
        if item.size > ROOMY_ITEM_BYTES:
            document["is_full"] = True
        if item.receipt is not None:
            document["receipt"] = item.receipt
        documents.append({**document, "turn": turn, "created_at": now, **gaps})
    return documents


def _bson_holds(item: Item, name: str) -> bool:
    """Whether BSON preserves ``item`` exactly. Raise InvalidItem if JSON cannot hold it."""
    exact = True
    pending: list[tuple[object, _Place, int]] = [(item, None, 1)]
    while pending:
        value, place, depth = pending.pop()
        if not isinstance(value, (dict, list)):
            exact = _bson_holds_scalar(value, name, place) and exact
            continue
        if depth > _MAX_JSON_DEPTH:
            raise InvalidItem(f"{name} is nested deeper than {_MAX_JSON_DEPTH} levels")
        exact = exact and depth <= _MAX_BSON_DEPTH
        if isinstance(value, dict):
            for key in value:
                exact = _bson_holds_key(key, name, place) and exact
        steps = value.items() if isinstance(value, dict) else enumerate(value)
        pending.extend((inner, (place, step), depth + 1) for step, inner in steps)
    return exact


def _bson_holds_scalar(value: object, name: str, place: _Place) -> bool:
    if isinstance(value, str):
        return is_utf8(value)
    if isinstance(value, int):
        return _MIN_INT64 <= value <= _MAX_INT64
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidItem(f"{_path(name, place)} is {value!r}, which JSON cannot hold")
    if value is not None and not isinstance(value, float):
        kind = type(value).__name__
        raise InvalidItem(f"{_path(name, place)} is of type {kind}, which JSON cannot hold")
    return True


def _bson_holds_key(key: object, name: str, place: _Place) -> bool:
    """MongoDB interprets keys that start with $: $ref and $id are decoded as a DBRef."""
    if not isinstance(key, str):
        raise InvalidItem(f"{_path(name, place)} has the key {key!r}, which is not a str")
    return is_utf8(key) and "\0" not in key and not key.startswith("$")


def _make_plain(container: Any) -> None:  # noqa: ANN401 - a dict or a list, written to alike
    """Replace bson.Int64, which bson decodes integers over 32 bits to, by int, in place.

    PyMongo's type registry could do this, but makes PyMongo decode every document twice.
    """
    for step, value in container.items() if type(container) is dict else enumerate(container):
        kind = type(value)
        if kind is dict or kind is list:
            _make_plain(value)
        elif kind is bson.Int64:
            container[step] = int(value)  # adds no key, so the iteration stays valid


def is_utf8(text: str) -> bool:
    """False if ``text`` contains a lone surrogate, which JSON can encode and BSON cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _path(name: str, place: _Place) -> str:
    steps = []
    while place is not None:
        place, step = place
        steps.append(f"[{step}]" if isinstance(step, int) else f".{step}")
    return name + "".join(reversed(steps))
