"""An item of a conversation as a person reads it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ..policies import Item

_FOLDED = 160
_TEXT_FIELDS = ("text", "refusal", "transcript", "summary_text")


class ItemText(NamedTuple):
    """Who speaks, and what."""

    speaker: str
    """A role, ``"tool call"``, ``"tool output"``, or the type of the item."""
    text: str
    style: str
    """For a terminal."""


def item_text(item: Item, *, full: bool = False) -> ItemText:
    """``item`` as text. A message is whole; anything else is one line, unless ``full``."""
    kind, role = str(item.get("type", "message")), item.get("role")
    if role is not None:
        return ItemText(str(role), _content(item.get("content")), _STYLES.get(str(role), ""))
    if kind == "reasoning":
        text = _content(item.get("summary")) or _content(item.get("content")) or "(not shown)"
        return ItemText(kind, _folded(text, full=full), "dim italic")
    if kind.endswith("_output"):
        text = _content(item.get("output", item.get("outputs")))
        return ItemText("tool output", _folded(text, full=full), "dim")
    if kind.endswith("_call"):
        return ItemText("tool call", _folded(_call(item, kind), full=full), "cyan")
    rest = {key: value for key, value in item.items() if key != "type"}
    return ItemText(kind, _folded(json.dumps(rest, ensure_ascii=False), full=full), "dim")


_STYLES = {"user": "bold green", "assistant": "", "system": "yellow", "developer": "yellow"}


def _call(item: Item, kind: str) -> str:
    arguments = item.get("arguments", item.get("action", item.get("input", item.get("queries"))))
    if arguments is None:
        arguments = ""
    elif not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return f"{item.get('name') or kind.removesuffix('_call')}({arguments})"


def _content(content: Any) -> str:  # noqa: ANN401 - any JSON value
    """A text, or the texts of its parts; a part without text is told by its type."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return "" if content is None else json.dumps(content, ensure_ascii=False)
    return "\n".join(map(_part, content))


def _part(part: Any) -> str:  # noqa: ANN401 - any JSON value
    if not isinstance(part, dict):
        return str(part)
    texts = [part[field] for field in _TEXT_FIELDS if isinstance(part.get(field), str)]
    return texts[0] if texts else f"[{part.get('type', 'part')}]"


def _folded(text: str, *, full: bool) -> str:
    if full:
        return text
    line = " ".join(text.split())
    return line if len(line) <= _FOLDED else f"{line[:_FOLDED]}… ({len(text):,} characters)"
