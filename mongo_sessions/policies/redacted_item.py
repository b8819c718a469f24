"""An item without its texts, which may stand where the item stood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .policy import Item

REDACTED = "[redacted]"

# A PNG of one transparent pixel, where an API accepts nothing but an image.
_PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5"
    "ErkJggg=="
)

# What an API needs to place the item, and what says nothing of a conversation.
_KEPT = {
    *("type", "role", "id", "call_id", "name", "status", "phase", "namespace"),
    *("approval_request_id", "server_label", "caller"),
}
_KEPT_INSIDE = {"type", "id", "status", "button", "detail"}
# An API checks the encrypted content, and the rest describes the text.
_EMPTIED = {"annotations", "logprobs"}
_DROPPED = {"encrypted_content", "file_id"}


def redacted(item: Item) -> Item:
    """A copy of ``item`` with "[redacted]" for each text; ``item`` is not changed.

    Its type, role, ids, call ids, names and status stay, and so do numbers and keys. Arguments
    become an empty object, images and files a text or an empty image. Encrypted content is left
    out.
    """
    if item.get("__enc__") == 1:  # the envelope of the SDK's EncryptedSession
        return {**item, "payload": REDACTED}
    return {
        field: value if field in _KEPT else _field(field, value, item)
        for field, value in item.items()
        if field not in _DROPPED
    }


def _field(field: str, value: Any, owner: Item) -> Any:  # noqa: ANN401 - JSON
    if field in _EMPTIED and isinstance(value, list):
        return []
    if field == "arguments" and isinstance(value, str):
        return "{}"
    if isinstance(value, str):
        if field == "result" and owner.get("type") == "image_generation_call":
            return _PIXEL
        if field == "image_url" and owner.get("type") == "computer_screenshot":
            return f"data:image/png;base64,{_PIXEL}"
    return _value(value)


def _value(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, str):
        return REDACTED
    if isinstance(value, list):
        return [_value(one) for one in value]
    if not isinstance(value, dict):
        return value
    type_ = value.get("type")
    if isinstance(type_, str) and type_.startswith("input_"):
        return {"type": "input_text", "text": REDACTED}
    return {
        field: inner if field in _KEPT_INSIDE else _field(field, inner, value)
        for field, inner in value.items()
        if field not in _DROPPED
    }
