"""One tool output, shortened so that it stays valid input of the Responses API.

The shape of a field ``output`` decides what is shortened. Source of the shapes: the types of
``openai.types.responses.ResponseInputItemParam``. Type, ids, status and every other field stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .shortening import equal_share, marker_for, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .policy import Item
    from .tokens import TokenCounter

# A computer's output must be a screenshot. The provider wrote the other two, or needs them whole.
_NEVER_SHORTENED = frozenset({"computer_call_output", "program_output", "tool_search_output"})
# Of these, the API accepts a list of texts, images and files. A text may take the place of either.
_CONTENT_LISTS = frozenset({"function_call_output", "custom_tool_call_output"})
_STREAMS = ("stdout", "stderr")

_CHARS_PER_TOKEN = 4
_ATTEMPTS = 16
_LONGEST_NAME = 60


class ShortOutput(NamedTuple):
    """An output in fewer tokens."""

    item: Item
    tokens: int


class _Shape(NamedTuple):
    """An output as a list of texts, and how an output with other texts is made."""

    texts: Sequence[str]
    with_texts: Callable[[Sequence[str]], Any]
    with_marker: Callable[[str], Any]
    """The smallest valid output."""


def shorten_output(
    item: Item,
    max_tokens: int,
    *,
    tokens: int,
    seq: int | None,
    count_tokens: TokenCounter,
) -> ShortOutput | None:
    """A copy of ``item`` with at most ``max_tokens``; None if it cannot be made shorter.

    The result depends on the arguments alone. It is above ``max_tokens`` only if nothing is left
    but a marker. Texts are cut before they are counted, so the time depends on ``max_tokens``, not
    on the length of the output.

    Args:
        item: An output with more than ``max_tokens``. It is not changed.
        max_tokens: Of the result.
        tokens: Of ``item``.
        seq: Where the whole output is stored, for the marker; None if that is not known.
        count_tokens: Counts the result.
    """
    shape = _shape_of(item, seq)
    if shape is None:
        return None
    lengths = [len(text) for text in shape.texts]
    total = min(sum(lengths), max_tokens * _CHARS_PER_TOKEN)
    for attempt in range(_ATTEMPTS):
        length = equal_share(lengths, total)
        texts = [shortened(text, length, seq) for text in shape.texts]
        short = {**item, "output": shape.with_texts(texts)}
        if (count := count_tokens(short)) <= max_tokens:
            return ShortOutput(short, count)
        # By the measured tokens a character. A text with a fixed cost does not get any cheaper.
        total = total * max_tokens // count * 19 // 20 if attempt < _ATTEMPTS // 2 else total // 2
    marker = str(marker_for("".join(shape.texts), seq))
    least = {**item, "output": shape.with_marker(marker)}
    count = count_tokens(least)
    return ShortOutput(least, count) if count < tokens else None


def _shape_of(item: Item, seq: int | None) -> _Shape | None:
    output, type_ = item.get("output"), str(item.get("type"))
    if type_ in _NEVER_SHORTENED:
        return None
    if isinstance(output, str):
        return _Shape([output], lambda texts: texts[0], lambda marker: marker)
    if not isinstance(output, list) or not all(isinstance(part, dict) for part in output):
        return None
    if output and all(_is_chunk(part) for part in output):
        return _chunks(output)
    return _contents(output, seq) if type_ in _CONTENT_LISTS else None


def _is_chunk(part: Item) -> bool:
    return all(isinstance(part.get(stream), str) for stream in _STREAMS)


def _chunks(output: list[Item]) -> _Shape:
    """Of a shell: pieces of stdout and stderr, each with its outcome."""

    def with_texts(texts: Sequence[str]) -> list[Item]:
        pairs = zip(texts[::2], texts[1::2], strict=True)
        return [
            {**chunk, "stdout": stdout, "stderr": stderr}
            for chunk, (stdout, stderr) in zip(output, pairs, strict=True)
        ]

    return _Shape(
        [chunk[stream] for chunk in output for stream in _STREAMS],
        with_texts,
        lambda marker: [{**output[-1], "stdout": marker, "stderr": ""}],
    )


def _contents(output: list[Item], seq: int | None) -> _Shape:
    """Texts, images and files. An image or a file becomes a text that names it."""
    parts = [part if isinstance(part.get("text"), str) else _named(part, seq) for part in output]
    return _Shape(
        [part["text"] for part in parts],
        lambda texts: [{**part, "text": text} for part, text in zip(parts, texts, strict=True)],
        lambda marker: [_text_part(marker)],
    )


def _named(part: Item, seq: int | None) -> Item:
    kind = str(part.get("type", "content")).removeprefix("input_")[:_LONGEST_NAME]
    name = next((name for field in ("filename", "file_id") if (name := part.get(field))), None)
    named = f" {name[:_LONGEST_NAME]}" if isinstance(name, str) else ""
    place = "" if seq is None else f": read the whole output at seq {seq}"
    return _text_part(f"[{kind}{named} left out{place}]")


def _text_part(text: str) -> Item:
    return {"type": "input_text", "text": text}
