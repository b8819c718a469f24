"""Usage of a summariser: its requests and their tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .summarizers import SummaryRequest


@dataclass(frozen=True, slots=True)
class SummarizerUsage:
    """The requests to a summariser for one fold, and their tokens by the store's counter.

    Not counted: the summariser's own instructions, its retries, and additions of its provider.
    """

    requests: int
    """Requests without an answer included."""
    input_tokens: int
    """Of the transcripts and the summaries so far."""
    output_tokens: int
    """Of the answers, refused answers included."""

    def __str__(self) -> str:
        return (
            f"{self.requests} requests, {self.input_tokens} input tokens, "
            f"{self.output_tokens} output tokens"
        )


class UsageMeter:
    """Counts the requests to a summariser and its answers."""

    def __init__(self, count_tokens: Callable[[str], int]) -> None:
        self._count_tokens = count_tokens
        self._requests = self._input_tokens = self._output_tokens = 0

    @property
    def usage(self) -> SummarizerUsage:
        return SummarizerUsage(self._requests, self._input_tokens, self._output_tokens)

    def count_request(self, request: SummaryRequest) -> None:
        texts = filter(None, (request.transcript, request.summary_so_far))
        self._input_tokens += sum(map(self._count_tokens, texts))
        self._requests += 1

    def count_answer(self, answer: str) -> None:
        self._output_tokens += self._count_tokens(answer)
