"""The text of an item that a search compares: what a user, a model or a tool has written.

``mongo_sessions/log/search/search.py`` reads the same fields on the server; a test compares both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..summarize.tags import CONVERSATION_RECORD
from .ranking import Match

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..policy import Entry, Item
    from .terms import Term

_MOST_PARTS = 64
# They repeat what is found.
_OWN_TOOLS = ("search_history", "read_history")
_RECORD = f"<{CONVERSATION_RECORD}>"
_FIELDS = (
    *("content", "output", "arguments", "input", "name", "summary", "action", "operation"),
    *("queries", "results", "code", "outputs"),
)
_PART_FIELDS = ("text", "refusal", "transcript", "stdout", "stderr", "logs", "filename")
_OBJECT_FIELDS = ("text", "command", "commands", "query", "queries", "path", "diff")


def matches_in(entries: Iterable[Entry], terms: Sequence[Term]) -> list[Match]:
    """The entries that match any of ``terms``, compared one by one."""
    return [
        Match(entry.seq, bits, entry.tokens)
        for entry in entries
        if (bits := bits_of(terms, text_of(entry.item)))
    ]


def bits_of(terms: Sequence[Term], text: str) -> int:
    """Which terms are in ``text``: one bit for each, the first in the lowest bit."""
    return sum(term.is_in(text) << bit for bit, term in enumerate(terms))


def text_of(item: Item) -> str:
    """The texts of an item, one a line; empty for an item without text, and for our own tools."""
    content, output, arguments = (item.get(one) for one in ("content", "output", "arguments"))
    if isinstance(content, (str, list)):
        fields: tuple[str, ...] = ("content",)
    elif isinstance(arguments, str) and not item.keys() & {"output", "action"}:
        fields = () if item.get("name") in _OWN_TOOLS else ("name", "arguments")
    elif isinstance(output, str) and not item.keys() & {"arguments", "action"}:
        fields = () if output.startswith(_RECORD) else ("output",)
    else:
        fields = _FIELDS
    return "\n".join(text for field in fields for text in _texts(item.get(field)))


def _texts(value: Any) -> list[str]:  # noqa: ANN401 - any JSON value
    """A string; or of a list, its strings and the texts of its parts; of an object, its texts."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for field in _OBJECT_FIELDS for text in _strings(value.get(field))]
    if isinstance(value, list):
        return [text for part in value[:_MOST_PARTS] for text in _part(part)]
    return []


def _part(part: Any) -> list[str]:  # noqa: ANN401 - any JSON value
    if isinstance(part, str):
        return [part]
    fields = part if isinstance(part, dict) else {}
    if isinstance(text := fields.get("text"), str):
        return [text]
    return [text for field in _PART_FIELDS if isinstance(text := fields.get(field), str)]


def _strings(value: Any) -> list[str]:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return [value]
    return (
        [one for one in value[:_MOST_PARTS] if isinstance(one, str)]
        if isinstance(value, list)
        else []
    )
