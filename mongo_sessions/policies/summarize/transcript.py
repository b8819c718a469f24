"""A part of a conversation as text, for a summariser to read.

Each item is one paragraph. Its first line starts with date and speaker, its further lines are
indented: so no text inside an item can imitate another item.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from .tags import escape_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from ..policy import Entry, Item

SHORTENED_CHARS = 2_000
"""The most that is kept of a call's arguments, or of its output: about 500 tokens, three fifths of
them from the beginning and the rest from the end."""

# Fields without content: identity, state, and data that only a provider can read.
_LEFT_OUT = frozenset(
    {"annotations", "call_id", "encrypted_content", "id", "logprobs", "role", "status", "type"}
)
_NOTHING: tuple[Any, ...] = (None, "", [], {})
_PLACEHOLDERS = {
    "computer_screenshot": "screenshot",
    "image": "image",
    "input_audio": "audio",
    "input_file": "file",
    "input_image": "image",
}
# Base64 of 200 bytes and more, alone or as a data URL: no language has such words. The lookbehind
# prevents an attempt at each position inside a word that is a little too short.
_BASE64 = re.compile(
    r"(?<![A-Za-z0-9+/_-])(?:data:[\w.+/;=-]{1,100},)?[A-Za-z0-9+/_-]{268,}={0,2}", re.ASCII
)
# No piece of a text is smaller than this, even if the counter finds it too long.
_SMALLEST_PIECE_CHARS = 100
_INDENT = "  "
_LONGEST_ARGUMENTS = 100_000  # of a call, that are searched for a command


def parts(
    entries: Sequence[Entry],
    max_tokens: int,
    count_tokens: Callable[[str], int],
    *,
    calls: Sequence[Entry] = (),
) -> list[str]:
    """The transcript of ``entries``, in parts of at most ``max_tokens`` each, oldest first.

    ``calls`` are earlier entries. They are not transcribed: they name the tools of late outputs.
    """
    names = tool_names((*calls, *entries))
    paragraphs = [p for entry in entries if (p := _paragraph(entry, names))]
    return list(split_to_fit(paragraphs, max_tokens, count_tokens))


def split_to_fit(
    paragraphs: list[str], max_tokens: int, count_tokens: Callable[[str], int]
) -> Iterator[str]:
    """The paragraphs as one text if it is short enough, otherwise as several of similar length."""
    text = "\n".join(paragraphs)
    if not text:
        return
    if len(text) <= _SMALLEST_PIECE_CHARS or count_tokens(text) <= max_tokens:
        yield text
        return
    pieces = paragraphs if len(paragraphs) > 1 else _cut_in_two(text)
    middle = len(pieces) // 2
    yield from split_to_fit(pieces[:middle], max_tokens, count_tokens)
    yield from split_to_fit(pieces[middle:], max_tokens, count_tokens)


def _cut_in_two(text: str) -> list[str]:
    """Cut between two words if possible: a number or a name in two parts would be lost."""
    middle = len(text) // 2
    cut = text.rfind(" ", middle // 2, middle) + 1 or middle
    return [text[:cut], _INDENT + text[cut:]]


def quoted(item: Item, created_at: datetime, seq: int) -> str:
    """One item as a paragraph, however long it is: base64 alone is left out."""
    speaker, text = speaker_and_text(item, {}, shorten=readable)
    return as_paragraph(f"{created_at:%Y-%m-%d %H:%M}, item {seq}", speaker, text or "-")


def content_of(item: Item) -> str:
    """The text of a message, or of an output; empty for any other item."""
    for field in ("content", "output"):
        if (content := item.get(field)) is not None:
            return utf8(readable(_content(content)))
    return ""


def commands(item: Item) -> list[str]:
    """The commands in a call of a tool: its fields ``command``, ``commands`` and ``cmd``."""
    if not str(item.get("type")).endswith("_call"):
        return []
    fields = [item, item.get("action"), _parsed(item.get("arguments"))]
    values = [
        value
        for some in fields
        if isinstance(some, dict)
        for name in ("command", "commands", "cmd")
        if (value := some.get(name))
    ]
    return [utf8(command) for value in values for command in _commands(value)]


def _commands(value: Any) -> list[str]:  # noqa: ANN401 - any JSON value
    """A text, or a list of texts: of several commands if one has a space, otherwise of words."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        return []
    is_one = len(value) > 1 and " " not in value[0]
    return [" ".join(value)] if is_one else value


def _parsed(arguments: object) -> object:
    if not isinstance(arguments, str) or len(arguments) > _LONGEST_ARGUMENTS:
        return None
    try:
        return json.loads(arguments)
    except (ValueError, RecursionError):
        return None


def _paragraph(entry: Entry, names: dict[str, str]) -> str:
    """One item; empty for an item without content, such as encrypted reasoning."""
    speaker, text = speaker_and_text(entry.item, names)
    return as_paragraph(f"{entry.created_at:%Y-%m-%d %H:%M}", speaker, text)


def utf8(text: str) -> str:
    """JSON can hold a lone surrogate, but no client can send it, and no database store it."""
    return text.encode("utf-8", "replace").decode()


def as_paragraph(where: str, speaker: str, text: str) -> str:
    """A paragraph with the place and the speaker in front; empty for an empty text.

    Its further lines are indented, so no text inside an item can imitate another item, and tags of
    ours in it are escaped.
    """
    lines = [line for line in utf8(text).splitlines() if line.strip()]
    if not lines:
        return ""
    return escape_tags(f"[{where}] {' '.join(speaker.split())}: " + f"\n{_INDENT}".join(lines))


def tool_names(entries: Iterable[Entry]) -> dict[str, str]:
    """The names of the called tools, by the ids of the calls."""
    called = [entry.item for entry in entries if _is_named_call(entry.item)]
    return {str(item.get("call_id")): item["name"] for item in called}


def speaker_and_text(
    item: Item, names: dict[str, str], shorten: Callable[[str], str] | None = None
) -> tuple[str, str]:
    """The speaker of an item, and its text: empty if it has none, as encrypted reasoning.

    ``names`` is the result of :func:`tool_names`. By default, what a tool got or gave is shortened.
    """
    shorten = shorten or _shortened
    kind = str(item.get("type", "message"))
    if "role" in item:
        return str(item["role"]), readable(_content(item.get("content")))
    if kind == "reasoning":
        return "assistant thought", readable(_content(item.get("summary")))
    if kind.endswith("_output"):
        name = names.get(str(item.get("call_id")), kind.removesuffix("_output"))
        return f"{name} returned", shorten(_content(item.get("output")) or "-")
    if _is_named_call(item):
        return f"assistant called {item['name']}", shorten(_details(item, "name") or "-")
    return kind, shorten(_details(item) or "-")


def _is_named_call(item: Item) -> bool:
    return str(item.get("type")).endswith("_call") and isinstance(item.get("name"), str)


def _details(item: Item, *left_out: str) -> str:
    """The remaining fields of an item: a single text unchanged, anything else as JSON."""
    details = {
        field: value
        for field, value in item.items()
        if field not in (*_LEFT_OUT, *left_out) and value not in _NOTHING
    }
    if not details:
        return ""
    value = next(iter(details.values()))
    return value if len(details) == 1 and isinstance(value, str) else _json(details)


def _content(content: Any) -> str:  # noqa: ANN401 - any JSON value
    """The texts of a message or an output, with placeholders for other content."""
    if isinstance(content, list):
        return "\n".join(map(_part, content))
    return "" if content is None else _part(content)


def _part(part: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        return _json(part)
    if placeholder := _PLACEHOLDERS.get(str(part.get("type"))):
        name = part.get("filename")
        return f"[{placeholder} {name}]" if isinstance(name, str) else f"[{placeholder}]"
    text = part.get("text", part.get("refusal"))
    return text if isinstance(text, str) else _details(part)


def _json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return json.dumps(value, ensure_ascii=False)


def readable(text: str) -> str:
    """The text with a placeholder for each piece of base64."""
    return _BASE64.sub(lambda match: f"[base64, {len(match.group()):,} characters]", text)


def _shortened(text: str) -> str:
    return shortened(readable(text), SHORTENED_CHARS)


def shortened(text: str, characters: int) -> str:
    """The beginning and the end of a text, if it has more characters than this."""
    left_out = len(text) - characters
    if left_out <= 0:
        return text
    beginning = characters * 3 // 5
    end = characters - beginning
    return f"{text[:beginning]} [… {left_out:,} characters left out …] {text[-end:]}"
