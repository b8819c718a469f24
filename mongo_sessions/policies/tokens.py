"""Tokens of an item: the counter protocol, fixed costs, and an estimate for texts."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .policy import Item


class TokenCounter(Protocol):
    """A callable that returns the tokens of an item: a whole number, 0 or more.

    It is called once per item, when the item is stored, and must not depend on anything but the
    item. Long items are counted in a thread.
    """

    def __call__(self, item: Item, /) -> int: ...


MESSAGE_TOKENS = 4
"""Per item, for role, kind and separators. OpenAI's cookbook, "How to count tokens with tiktoken",
has 3 per message and 1 for the role."""

IMAGE_TOKENS = 765
"""Per image or screenshot: 1024 x 1024 pixels at high detail, 85 + 4 x 170 tokens, in OpenAI's
guide "Images and vision"."""

FILE_TOKENS = 2_000
"""Per file, whose length in tokens only the provider knows. About three pages; our choice."""

AUDIO_TOKENS = 600
"""Per audio part. About a minute at 10 tokens a second; our choice."""

ENCRYPTED_TOKENS = 400
"""Per encrypted reasoning or compaction, whose text only the provider can read; our choice."""

_COST_OF_KIND = {
    "input_image": IMAGE_TOKENS,
    "computer_screenshot": IMAGE_TOKENS,
    "image": IMAGE_TOKENS,  # of a code interpreter
    "image_generation_call": IMAGE_TOKENS,
    "input_file": FILE_TOKENS,
    "input_audio": AUDIO_TOKENS,
}
# Fields that the model does not read: identity, state, and additions of the provider.
_UNREAD = frozenset(
    {"annotations", "approval_request_id", "call_id", "id", "logprobs", "role", "status", "type"}
)

# Bounded: a text of megabytes may begin like such a URL.
_BASE64_URL = re.compile(
    r"data:[\w.+-]{1,100}/[\w.+-]{1,100}(;[\w.=+-]{1,100}){0,10};base64,", re.ASCII
)


def estimate_tokens(text: str) -> int:
    """Estimate the tokens in ``text`` without a vocabulary.

    Words are counted as English. Chinese, Japanese, Korean and JSON are overestimated rather than
    underestimated: two bytes a token for the former, one token for each punctuation character.
    """
    tokens = 0
    for match in _RUNS.finditer(text):
        size = len(match.group().encode("utf-8", "surrogatepass"))
        tokens += math.ceil(size / _BYTES_PER_TOKEN[str(match.lastgroup)])
    return tokens


_RUNS = re.compile(
    r"(?P<word>[A-Z]?[a-z]{1,15}(?![A-Za-z]))|(?P<letters>[A-Za-z]+)|(?P<digits>[0-9]+)"
    r"|(?P<space>(?<=\S) (?=\S))|(?P<spaces> +)"
    r"|(?P<cjk>[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\uffef]+)|(?P<other>.)",
    re.DOTALL,
)
# A single space is part of the next token.
_BYTES_PER_TOKEN = {
    "word": 3,
    "letters": 1.5,
    "digits": 2,
    "space": math.inf,
    "spaces": 4,
    "cjk": 2,
    "other": 1,
}


def parts_of(item: Item) -> Iterator[str | int]:
    """The texts in an item that a model reads, and the fixed costs of its other parts."""
    if (cost := _COST_OF_KIND.get(str(item.get("type")))) is not None:
        yield cost
        return
    for field, value in item.items():
        if value is None or field in _UNREAD:
            continue
        if field == "encrypted_content":
            yield ENCRYPTED_TOKENS
        else:
            yield from map(_part, value if isinstance(value, list) else [value])


def _part(value: Any) -> str | int:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return IMAGE_TOKENS if _BASE64_URL.match(value) else value
    if not isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    if (cost := _COST_OF_KIND.get(str(value.get("type")))) is not None:
        return cost
    text = value.get("text", value.get("refusal"))
    return text if isinstance(text, str) else json.dumps(value, ensure_ascii=False)
