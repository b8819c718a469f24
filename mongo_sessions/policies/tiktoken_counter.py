"""The default token counter: OpenAI's tiktoken, with one vocabulary that needs no network."""

from __future__ import annotations

import base64
import threading
from concurrent.futures import Future
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from .logger import logger
from .tokens import MESSAGE_TOKENS, estimate_tokens, parts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import tiktoken

    from .policy import Item

NEWEST_ENCODING = "o200k_base"
LOAD_SECONDS = 10.0

# A text is counted in pieces: some inputs (a megabyte of one letter) take the encoder quadratic
# time. A piece may cost one token more than the text would have.
_PIECE_CHARS = 20_000

# The split pattern of o200k_base. Source: tiktoken 0.14 (MIT), tiktoken_ext/openai_public.py.
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
    """Count tokens with OpenAI's tiktoken: text exactly, other content by fixed costs.

    Args:
        model: An encoding (``"o200k_base"``) or a model (``"gpt-4o"``). A name that tiktoken does
            not know is counted with the newest encoding.

    The newest encoding is part of this package and needs no network. tiktoken downloads any other
    encoding at its first use; if the download fails, or takes more than ten seconds, texts are
    estimated (:func:`estimate_tokens`) and a warning is logged. The encoding is loaded at the
    first count.

    Images, files, audio and encrypted reasoning cost a fixed number of tokens each. The module
    ``tokens`` defines these costs and gives the reason for each.
    """

    def __init__(self, model: str = NEWEST_ENCODING) -> None:
        self.model = model
        self._loading = threading.Lock()
        self._count_text: Callable[[str], int] | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"

    def __call__(self, item: Item, /) -> int:
        return MESSAGE_TOKENS + sum(self._cost(part) for part in parts_of(item))

    def _cost(self, part: str | int) -> int:
        if isinstance(part, int):
            return part
        if self._count_text is None:
            with self._loading:
                self._count_text = self._count_text or _text_counter(self.model)
        return sum(map(self._count_text, _pieces(part)))


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), _PIECE_CHARS):
        yield text[start : start + _PIECE_CHARS]


def _text_counter(model: str) -> Callable[[str], int]:
    try:
        encoding = _load(model)
    except Exception as error:  # noqa: BLE001 - a download may raise any error; counting goes on
        logger.warning("Token counts are estimates: %s could not be loaded (%r)", model, error)
        return estimate_tokens
    # encode_ordinary: text that looks like a special token is text.
    return lambda text: len(encoding.encode_ordinary(text))


# Shared by all counters: loading takes a third of a second and about 50 MB.
@cache
def _load(model: str) -> tiktoken.Encoding:
    import tiktoken  # noqa: PLC0415 - not needed with another token counter

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
    """Call ``load`` with a timeout: tiktoken has none, so a hanging download keeps its thread."""
    outcome: Future[tiktoken.Encoding] = Future()

    def run() -> None:
        try:
            outcome.set_result(load())
        except Exception as error:  # noqa: BLE001 - passed on to the waiting thread
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome.result(seconds)
