"""Stand-ins for models: the demo needs neither a key nor the network."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from agents import Model, ModelResponse, Usage
from agents.testing import assistant_message, function_call
from counting import tokens_of
from script import Turn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from agents.items import TResponseInputItem, TResponseOutputItem, TResponseStreamEvent

    from mongo_sessions import SummaryRequest


class ScriptedAssistant(Model):
    """Answers from the script. The answer to a question must be in its prompt.

    It knows how the sentence with a fact begins, but not the fact. It takes the rest of the
    sentence from the history that it was sent, or does not know it.
    """

    def __init__(self) -> None:
        self.turn = Turn("")
        """The next turn of the script. Set before each run."""
        self._tool_calls = 0

    async def get_response(
        self,
        system_instructions: str | None,  # noqa: ARG002 - it has a script
        input: str | list[TResponseInputItem],  # noqa: A002 - the SDK's name
        *_: Any,  # noqa: ANN401 - settings, tools and more, unused
        **__: Any,  # noqa: ANN401
    ) -> ModelResponse:
        prompt = cast("list[TResponseInputItem]", input)  # with a session, it is never a str
        return ModelResponse([self._next(prompt)], usage=Usage(), response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[TResponseStreamEvent]:  # noqa: ANN401
        raise NotImplementedError

    def _next(self, prompt: list[TResponseInputItem]) -> TResponseOutputItem:
        *history, newest = prompt
        if self.turn.asks_for is not None:
            return assistant_message(_found(self.turn.asks_for, history))
        if self.turn.looks_up is not None and newest.get("type") != "function_call_output":
            self._tool_calls += 1
            order = {"number": self.turn.looks_up}
            return function_call("find_order", order, call_id=f"call_{self._tool_calls}")
        return assistant_message(self.turn.answer)


def _found(opening: str, history: list[TResponseInputItem]) -> str:
    telling = re.compile(rf"{re.escape(opening)} ([^.]+)\.")
    for text in _texts(history):
        if match := telling.search(text):
            return match[1]
    return "I do not know."


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        parts = cast("dict[str, object] | list[object]", value)
        for part in parts.values() if isinstance(parts, dict) else parts:
            yield from _texts(part)


# Forms of sentences that are worth keeping, with their weights.
_WORTH_KEEPING = (
    (2, re.compile(r"\b(remember|always|never|must)\b", re.IGNORECASE)),
    (2, re.compile(r"\b(my|our|I am|I have|we are)\b", re.IGNORECASE)),
    (1, re.compile(r"\b[A-Z]+-?\d+\b")),
)
_HEADING = re.compile(r"^\[[\d :-]+\] [^:]*: ")
_END_OF_SENTENCE = re.compile(r"(?<=[.!?])\s+")


async def extract(request: SummaryRequest) -> str:
    """The sentences of the transcript with the greatest weight, up to the wanted length.

    A simple stand-in for a model: it takes whole sentences, without understanding them. Each
    sentence is weighted by itself, so the same sentences survive every merge.
    """
    sentences = list(dict.fromkeys(_sentences(request.transcript)))
    # An answer must be shorter than the text that it replaces.
    room = min(request.wanted_tokens, tokens_of(request.transcript) - 1)
    kept: set[str] = set()
    best_first = sorted(sentences, key=_worth, reverse=True)  # stable: of equals, the older one
    for sentence in best_first:
        if tokens_of(_joined(sentences, kept | {sentence})) <= room:
            kept.add(sentence)
    return _joined(sentences, kept) or _beginning(best_first[0], room)


def _sentences(transcript: str) -> Iterator[str]:
    for line in transcript.splitlines():
        told = _HEADING.sub("", line).strip()
        yield from filter(None, _END_OF_SENTENCE.split(told))


def _worth(sentence: str) -> int:
    if sentence.endswith("?"):
        return 0
    return sum(weight for weight, pattern in _WORTH_KEEPING if pattern.search(sentence))


def _joined(sentences: list[str], kept: set[str]) -> str:
    return "\n".join(sentence for sentence in sentences if sentence in kept)


def _beginning(sentence: str, room: int) -> str:
    words = sentence.split()
    while len(words) > 1 and tokens_of(" ".join(words)) > room:
        words.pop()
    return " ".join(words)
