"""Usage of a summariser: its requests and their tokens."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..policy import Summary
    from .summarizers import SummaryRequest


@dataclass(frozen=True, slots=True)
class SummarizerUsage:
    """Requests to a summariser, and their tokens by the store's counter. Usages can be added.

    Not counted: the summariser's own instructions, its retries, and additions of its provider.
    """

    requests: int = 0
    """Requests without an answer included."""
    input_tokens: int = 0
    """Of the transcripts and the summaries so far."""
    output_tokens: int = 0
    """Of the answers, refused answers included."""

    def __add__(self, other: SummarizerUsage) -> SummarizerUsage:
        return SummarizerUsage(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
        )

    def __str__(self) -> str:
        return (
            f"{self.requests} requests, {self.input_tokens} input tokens, "
            f"{self.output_tokens} output tokens"
        )


NOTHING_USED = SummarizerUsage()


def usage_of(summary: Summary | None) -> SummarizerUsage:
    """What the summaries of a session have cost, up to and including this stored one.

    The total is stored with each summary and continued by the next one, whichever process makes it.
    Not in it: attempts that stored no summary, summaries that a pop or a clear removed, and
    summaries of versions that stored no usage. Zero without a summary.
    """
    stored = None if summary is None else summary.get("usage")
    try:
        return SummarizerUsage(**stored) if stored else NOTHING_USED
    except TypeError:  # stored by another policy
        return NOTHING_USED


def to_stored(usage: SummarizerUsage) -> Mapping[str, int]:
    """The form that :func:`usage_of` reads."""
    return asdict(usage)


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


class TotalUsage:
    """The sum of usages. Event loops in several threads may share a policy."""

    def __init__(self) -> None:
        self.usage = NOTHING_USED
        self._lock = threading.Lock()

    def add(self, usage: SummarizerUsage) -> None:
        with self._lock:
            self.usage += usage
