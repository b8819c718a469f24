"""Meters: the tokens of each prompt, and of each request to the summariser."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from counting import count_tokens, tokens_of

from mongo_sessions import AgentSummarizer

if TYPE_CHECKING:
    from agents.items import TResponseInputItem
    from agents.run_config import CallModelData, CallModelInputFilter, ModelInputData

    from mongo_sessions import Item, Summarizer, SummaryRequest


@dataclass
class PromptMeter:
    """A ``call_model_input_filter`` that counts the tokens of what ``inner`` makes of the input."""

    inner: CallModelInputFilter | None = None
    """None changes nothing."""

    calls: int = 0
    sent: int = 0
    same: int = 0
    """Of ``sent``: tokens in a prefix that is identical to the previous prompt."""
    largest_view: int = 0
    """The most tokens of a turn's first prompt, without the new input."""
    first_prompts: list[int] = field(default_factory=list)
    """The tokens of the first prompt of each turn."""
    sent_by_turn: list[int] = field(default_factory=list)
    _latest: list[TResponseInputItem] = field(default_factory=list)
    _counts: list[int] = field(default_factory=list)

    async def __call__(self, data: CallModelData[Any]) -> ModelInputData:
        result = data.model_data if self.inner is None else self.inner(data)
        model_data = await result if inspect.isawaitable(result) else result
        prompt = model_data.input
        same = _common_length(prompt, self._latest)
        new = [count_tokens(cast("Item", item)) for item in prompt[same:]]
        self._latest, self._counts = list(prompt), self._counts[:same] + new
        sent = sum(self._counts)
        if prompt[-1].get("role") == "user":
            self.first_prompts.append(sent)
            self.sent_by_turn.append(0)
            self.largest_view = max(self.largest_view, sent - self._counts[-1])
        self.calls += 1
        self.sent += sent
        self.sent_by_turn[-1] += sent
        self.same += sum(self._counts[:same])
        return model_data


def _common_length(prompt: list[TResponseInputItem], before: list[TResponseInputItem]) -> int:
    for length, (item, item_before) in enumerate(zip(prompt, before, strict=False)):
        if item != item_before:
            return length
    return min(len(prompt), len(before))


class MeteredSummarizer:
    """A summariser whose tokens are counted as for an ``AgentSummarizer``."""

    def __init__(self, summarizer: Summarizer) -> None:
        self.calls = self.given = self.returned = 0
        self._summarizer = summarizer
        self._instructions = tokens_of(AgentSummarizer().instructions)

    async def __call__(self, request: SummaryRequest) -> str:
        answer = await self._summarizer(request)
        self.calls += 1
        self.given += (
            self._instructions + tokens_of(request.summary_so_far) + tokens_of(request.transcript)
        )
        self.returned += tokens_of(answer)
        return answer
