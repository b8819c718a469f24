"""A summariser with a timeout, a lease and checks: it returns a valid text, or raises."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ..names import describe_error
from .summarizers import SummaryError
from .tags import escape_tags
from .transcript import utf8

if TYPE_CHECKING:
    from .summarizers import Summarizer, SummaryRequest
    from .summary_tokens import SummaryTokens
    from .usage import UsageMeter


class SummaryFailedError(SummaryError):
    """The summariser gave no usable answer. The message holds no text of the conversation.

    Its cause is the error of the summariser, if it raised one.
    """


class AnswerTooLongError(SummaryFailedError):
    """The answer is not shorter than the text that it replaces."""


class LeaseLostError(Exception):
    """The item is gone, or another worker holds its lease: no further request is made."""


class Renewable(Protocol):
    """A lease."""

    async def acquire(self) -> bool:
        """Acquire or renew it; False if it is lost."""
        ...


@dataclass(frozen=True, slots=True)
class CheckedSummarizer:
    """Asks a summariser and checks its answers."""

    summarizer: Summarizer
    timeout: float
    """Seconds for one answer."""
    tokens: SummaryTokens
    lease: Renewable
    """Renewed before each request."""
    meter: UsageMeter

    async def ask(self, request: SummaryRequest, at_most: int) -> str:
        """A text of at most ``at_most`` tokens, or of the length that the request wants.

        Raises:
            AnswerTooLongError: the answer has more.
            SummaryFailedError: the summariser failed, or its answer is refused.
            LeaseLostError: another worker makes the summary.
        """
        if not await self.lease.acquire():
            raise LeaseLostError
        # In threads: counting a long text takes time, and an answer may have any length.
        await asyncio.to_thread(self.meter.count_request, request)
        answer = await self._answer(request)
        return await asyncio.to_thread(self._checked, answer, request.wanted_tokens, at_most)

    def _checked(self, answer: object, wanted: int, at_most: int) -> str:
        if not isinstance(answer, str):
            raise SummaryFailedError(f"the answer was of type {type(answer).__name__}, not str")
        self.meter.count_answer(answer)
        # A model can write a lone surrogate in JSON; it cannot be stored as UTF-8.
        text = utf8(answer.strip())
        if not text:
            raise SummaryFailedError("the answer was empty")
        # An answer within wanted_tokens is never refused: the retries would never end.
        at_most = max(at_most, wanted)
        if (tokens := self.tokens.message(text)) > at_most:
            raise AnswerTooLongError(
                f"the answer had {tokens} tokens: {wanted} were wanted, {at_most} are allowed"
            )
        return escape_tags(text)

    async def _answer(self, request: SummaryRequest) -> object:
        """The return value of the summariser, which may also hang or cancel itself."""
        task = asyncio.ensure_future(self.summarizer(request))
        # asyncio would log an error raised on cancellation, with text of the conversation.
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        try:
            await asyncio.wait({task}, timeout=self.timeout)
        finally:
            task.cancel()
        if not task.done():
            raise SummaryFailedError(f"there was no answer within {self.timeout:g} seconds")
        if task.cancelled():
            raise SummaryFailedError("the summariser was cancelled")
        if error := task.exception():
            raise SummaryFailedError(f"the summariser raised {describe_error(error)}") from error
        return task.result()
