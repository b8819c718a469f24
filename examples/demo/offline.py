"""What stands in for models, so that the demo needs neither key nor network."""

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
    """Says what the script says; but what it is asked for, it must find in its prompt.

    It knows how the user begins to tell a fact, and not what the fact is: the rest of the sentence
    comes out of the history that it was sent, or not at all.
    """

    def __init__(self) -> None:
        self.turn = Turn("")
        """What is said next: to be set before."""
        self._tool_calls = 0

    async def get_response(
        self,
        system_instructions: str | None,  # noqa: ARG002 - it has a script
        input: str | list[TResponseInputItem],  # noqa: A002 - the SDK's name
        *_: Any,  # noqa: ANN401 - settings, tools, and more of what it does not look at
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


# What a person would keep, by its form alone, and how much it weighs.
_WORTH_KEEPING = (
    (2, re.compile(r"\b(remember|always|never|must)\b", re.IGNORECASE)),
    (2, re.compile(r"\b(my|our|I am|I have|we are)\b", re.IGNORECASE)),
    (1, re.compile(r"\b[A-Z]+-?\d+\b")),
)
_HEADING = re.compile(r"^\[[\d :-]+\] [^:]*: ")
_END_OF_SENTENCE = re.compile(r"(?<=[.!?])\s+")


async def extract(request: SummaryRequest) -> str:
    """The sentences of the transcript that look as if they matter, as many as are wanted.

    It stands in for a model, and is no good at summarising: it understands nothing, and takes
    whole sentences or none. The same sentences win however often a summary is merged, as each one
    is judged by itself.
    """
    sentences = list(dict.fromkeys(_sentences(request.transcript)))
    # An answer that is no shorter than what it replaces would be refused.
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
