"""A scripted model that reports its usage, as a provider counts it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agents.testing import ModelStep, ScriptedModel
from agents.usage import Usage
from openai.types.responses.response_usage import InputTokensDetails

from tests.support.scribes import tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

TOOLS = 3_000
"""Tokens of instructions and tools."""


class ReportingModel(ScriptedModel):
    """Reports the tokens of its input plus ``tools``; None reports no usage."""

    def __init__(self, outputs: Sequence[Any], tools: int | None = TOOLS) -> None:
        self.prompts: list[int] = []
        """The input tokens of each call."""
        super().__init__([self._step(output, tools) for output in outputs])

    def _step(self, output: Any, tools: int | None) -> ModelStep:
        def respond(call: Any) -> ModelStep:
            counted = sum(map(tokens, call.input))
            self.prompts.append(counted + (tools or 0))
            return ModelStep(
                output=output, usage=usage(None if tools is None else self.prompts[-1])
            )

        return ModelStep.respond(respond)


def usage(input_tokens: int | None, *, cached: int = 7, output: int = 11) -> Usage:
    if input_tokens is None:
        return Usage()
    return Usage(
        requests=1,
        input_tokens=input_tokens,
        input_tokens_details=InputTokensDetails(cached_tokens=cached, cache_write_tokens=0),
        output_tokens=output,
        total_tokens=input_tokens + output,
    )
