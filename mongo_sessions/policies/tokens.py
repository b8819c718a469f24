"""How many tokens an item costs the model that reads it."""

from __future__ import annotations

import base64
import json
import logging
import math
import re
import threading
from concurrent.futures import Future
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import tiktoken

    from .policy import Item

logger = logging.getLogger("mongo_sessions")


class TokenCounter(Protocol):
    """Anything that says how many tokens an item costs: a whole number, 0 or more.

    It is called once per item, when the item is stored, and must not depend on anything but the
    item. Long items are counted in a thread.
    """

    def __call__(self, item: Item, /) -> int: ...


NEWEST_ENCODING = "o200k_base"
LOAD_SECONDS = 10.0

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
# What the model does not read: identity, state, and what the provider adds to its answers.
_UNREAD = frozenset(
    {"annotations", "approval_request_id", "call_id", "id", "logprobs", "role", "status", "type"}
)

# Bounded: a text of megabytes may begin like such a URL.
_BASE64_URL = re.compile(
    r"data:[\w.+-]{1,100}/[\w.+-]{1,100}(;[\w.=+-]{1,100}){0,10};base64,", re.ASCII
)

# A text is counted in pieces: some inputs (a megabyte of one letter) take the encoder quadratic
# time. A piece may cost one token more than the text would have.
_PIECE_CHARS = 20_000

# What o200k_base is, besides its vocabulary: tiktoken 0.14 (MIT), tiktoken_ext/openai_public.py.
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_O200K_PATTERN = "|".join(
    [
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_CONTRACTION}",
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_CONTRACTION}",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)


class TiktokenCounter:
    """Count with OpenAI's tiktoken: exactly for text, by fixed costs for what is not text.

    Args:
        model: An encoding (``"o200k_base"``) or a model (``"gpt-4o"``). One that tiktoken does not
            know counts as the newest encoding.

    The newest encoding comes with this package and needs no network. tiktoken downloads the others
    at their first use; if that fails, or takes more than ten seconds, texts are estimated
    (:func:`estimate_tokens`) and a warning is logged. Loading happens at the first count.

    Images, files, audio and encrypted reasoning cost a fixed number of tokens each: the constants
    of :mod:`mongo_sessions.policies.tokens` say how many, and why.
    """

    def __init__(self, model: str = NEWEST_ENCODING) -> None:
        self.model = model
        self._loading = threading.Lock()
        self._count_text: Callable[[str], int] | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"

    def __call__(self, item: Item, /) -> int:
        return MESSAGE_TOKENS + sum(self._cost(part) for part in _parts(item))

    def _cost(self, part: str | int) -> int:
        if isinstance(part, int):
            return part
        if self._count_text is None:
            with self._loading:
                self._count_text = self._count_text or _text_counter(self.model)
        return sum(map(self._count_text, _pieces(part)))


def estimate_tokens(text: str) -> int:
    """An estimate of the tokens in ``text``, for when no vocabulary is at hand.

    It counts Chinese, Japanese and Korean, and JSON, rather too high than too low: two bytes a
    token there, and every sign one. Words are counted as English.
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


def _parts(item: Item) -> Iterator[str | int]:
    """The texts in an item that a model reads, and the costs of what is not text."""
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


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), _PIECE_CHARS):
        yield text[start : start + _PIECE_CHARS]


def _text_counter(model: str) -> Callable[[str], int]:
    try:
        encoding = _load(model)
    except Exception as error:  # noqa: BLE001 - whatever a download can raise, counting goes on
        logger.warning("Token counts are estimates: %s could not be loaded (%r)", model, error)
        return estimate_tokens
    # encode_ordinary: text that looks like a special token is text.
    return lambda text: len(encoding.encode_ordinary(text))


# One for all counters: it takes a third of a second to load, and some 50 MB.
@cache
def _load(model: str) -> tiktoken.Encoding:
    import tiktoken  # noqa: PLC0415 - not needed by those who count differently

    name = model
    if name not in tiktoken.list_encoding_names():
        try:
            name = tiktoken.encoding_name_for_model(model)
        except KeyError:
            name = NEWEST_ENCODING
    if name != NEWEST_ENCODING:
        return _within(LOAD_SECONDS, lambda: tiktoken.get_encoding(name))
    vocabulary = resources.files(__package__).joinpath("o200k_base.tiktoken").read_bytes()
    ranks = {
        base64.b64decode(token): int(rank)
        for token, rank in (line.split() for line in vocabulary.splitlines())
    }
    return tiktoken.Encoding(name, pat_str=_O200K_PATTERN, mergeable_ranks=ranks, special_tokens={})


def _within(seconds: float, load: Callable[[], tiktoken.Encoding]) -> tiktoken.Encoding:
    """tiktoken downloads without a timeout, so it is left behind in a thread if it hangs."""
    outcome: Future[tiktoken.Encoding] = Future()

    def run() -> None:
        try:
            outcome.set_result(load())
        except Exception as error:  # noqa: BLE001 - handed over to the waiting thread
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome.result(seconds)
