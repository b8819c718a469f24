"""The answers of a summariser: asked for with a time limit, and refused unless they are of use."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..names import describe_error
from .summarizers import SummaryError
from .tags import escape_tags

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .summarizers import Summarizer, SummaryRequest
    from .usage import UsageMeter


class SummaryFailedError(SummaryError):
    """Why there is no summary, in words that hold nothing of the conversation.

    Its cause is what the summariser raised, if it raised an error.
    """


class AnswerTooLongError(SummaryFailedError):
    """The answer is not shorter than what it is about."""


class ClaimLostError(Exception):
    """The item is gone, or another worker has its claim: nothing more is to be paid for."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Asks a summariser, and checks what it returns."""

    summarizer: Summarizer
    timeout: float
    """Seconds for one answer."""
    count_tokens: Callable[[str], int]
    claim: Callable[[], Awaitable[bool]]
    """Whether the summary is still this worker's to make: asked before each request."""
    meter: UsageMeter

    async def to(self, request: SummaryRequest, at_most: int) -> str:
        """A text of at most ``at_most`` tokens, or of the length that the request wants.

        Raises:
            AnswerTooLongError: the answer has more.
            SummaryFailedError: the summariser did not do its work.
            ClaimLostError: another worker makes the summary.
        """
        if not await self.claim():
            raise ClaimLostError
        # In threads: the texts may be long, and an answer of any length.
        await asyncio.to_thread(self.meter.count_request, request)
        answer = await self._answer(request)
        return await asyncio.to_thread(self._checked, answer, request.wanted_tokens, at_most)

    def _checked(self, answer: object, wanted: int, at_most: int) -> str:
        if not isinstance(answer, str):
            raise SummaryFailedError(f"the answer was of type {type(answer).__name__}, not str")
        self.meter.count_answer(answer)
        # A lone surrogate, which a model can write in JSON, is no text that can be stored.
        text = answer.strip().encode("utf-8", "replace").decode()
        if not text:
            raise SummaryFailedError("the answer was empty")
        # A summariser that keeps to what is wanted is never refused: it would be asked for ever.
        at_most = max(at_most, wanted)
        if (tokens := self.count_tokens(text)) > at_most:
            raise AnswerTooLongError(
                f"the answer had {tokens} tokens, with {wanted} wanted and at most {at_most} of use"
            )
        return escape_tags(text)

    async def _answer(self, request: SummaryRequest) -> object:
        """What the summariser returns, whatever it does: it may hang, or cancel itself."""
        task = asyncio.ensure_future(self.summarizer(request))
        # What it raises when it is cancelled would be logged by asyncio, conversation and all.
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
