"""The writing of a summary: what a summariser is asked, and which answers are good enough."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from .names import describe_error
from .segments import (
    Segment,
    fold_tokens_wanted,
    merge_tokens_wanted,
    merged,
    newest_within,
    next_merge,
    render,
)
from .summarizers import SummaryError, SummaryRequest
from .tags import neutralised
from .transcript import halves
from .transcript import parts as transcribed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .block import Block
    from .budget import Budget
    from .summarizers import Summarizer
    from .usage import UsageMeter


class SummaryFailedError(SummaryError):
    """Why there is no summary, in words that hold nothing of the conversation.

    Its cause is what the summariser raised, if it raised an error.
    """


class ClaimLostError(Exception):
    """The item is gone, or another worker is at it: nothing more is to be paid for."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes the summary of one block."""

    summarizer: Summarizer
    budget: Budget
    timeout: float
    """Seconds for one answer."""
    count_tokens: Callable[[str], int]
    shown_tokens: Callable[[Sequence[Segment]], int]
    """Of segments, where they are shown."""
    claim: Callable[[], Awaitable[bool]]
    """Whether the summary is still ours to make: asked before each request."""
    meter: UsageMeter

    async def segments(self, block: Block) -> list[Segment]:
        """The summary of everything up to the end of ``block``.

        Raises:
            SummaryFailedError: the summariser did not do its work.
            ClaimLostError: it is not ours to do any more.
        """
        segments = [*block.segments, await self._fold(block)]
        while self.shown_tokens(segments) > self.budget.summary_tokens:
            segments = await self._shortened(segments)
        return segments

    async def _fold(self, block: Block) -> Segment:
        first, last = block.entries[0], block.entries[-1]
        wanted = fold_tokens_wanted(self.shown_tokens(block.segments), self.budget.summary_tokens)
        room = self.budget.input_tokens - self.budget.context_tokens
        # In a thread: a block may hold megabytes.
        transcripts = await asyncio.to_thread(
            transcribed, block.entries, room, self.count_tokens, calls=block.calls
        )
        replaced = sum(entry.tokens for entry in block.entries) // max(1, len(transcripts))
        pieces: list[Segment] = []
        for transcript in transcripts:
            so_far = newest_within([*block.segments, *pieces], self.budget.context_tokens)
            request = SummaryRequest("fold", transcript, render(so_far), wanted)
            text = await self._ask(request, at_most=replaced - 1)
            pieces.append(Segment(first.seq, last.seq, 0, text, self.count_tokens(text)))
        while len(pieces) > 1:
            pieces = await self._merged(pieces, next_merge(pieces), wanted)
        # Nothing to tell: the items had no text that a summariser could read.
        return pieces[0] if pieces else Segment(first.seq, last.seq, 0, "", 0)

    async def _shortened(self, segments: list[Segment]) -> list[Segment]:
        shown, room = self.shown_tokens(segments), self.budget.summary_tokens
        if len(segments) > 1:
            index = next_merge(segments)
            wanted = merge_tokens_wanted(segments, index, shown, room)
            return await self._merged(segments, index, wanted)
        # A summariser that wrote more than there is room for is given its own words.
        text = await self._rewritten("fold", segments, room // 3)
        return [replace(segments[0], text=text, tokens=self.count_tokens(text))]

    async def _merged(self, segments: list[Segment], index: int, wanted: int) -> list[Segment]:
        both = segments[index : index + 2]
        # What is short enough loses nothing. A summariser could hardly make it shorter.
        is_short = sum(segment.tokens for segment in both) <= wanted
        text = render(both) if is_short else await self._rewritten("merge", both, wanted)
        return merged(segments, index, text, self.count_tokens(text) if text else 0)

    async def _rewritten(
        self, kind: Literal["fold", "merge"], segments: list[Segment], wanted: int
    ) -> str:
        """One text in place of those of ``segments``, which may have been made for more room."""
        lines = render(segments).split("\n")
        pieces = list(halves(lines, self.budget.input_tokens, self.count_tokens))
        wanted = max(1, wanted // len(pieces))
        return "\n".join([await self._shorter(kind, text, wanted) for text in pieces])

    async def _shorter(self, kind: Literal["fold", "merge"], text: str, wanted: int) -> str:
        tokens = self.count_tokens(text)
        # A text that lost a word at a time would be asked for for ever.
        at_most = min(tokens - 1, max(2 * wanted, tokens // 2))
        return await self._ask(SummaryRequest(kind, text, "", wanted), at_most)

    async def _ask(self, request: SummaryRequest, at_most: int) -> str:
        """An answer of at most so many tokens."""
        if not await self.claim():
            raise ClaimLostError
        # In threads: the texts may be long, and an answer of any length.
        await asyncio.to_thread(self.meter.count_request, request)
        answer = await self._answer(request)
        return await asyncio.to_thread(self._checked, answer, request.wanted_tokens, at_most)

    def _checked(self, answer: object, wanted: int, at_most: int) -> str:
        """The text of an answer.

        Raises:
            SummaryFailedError: it is no summary.
        """
        if not isinstance(answer, str):
            raise SummaryFailedError(f"the answer was of type {type(answer).__name__}, not str")
        self.meter.count_answer(answer)
        # A lone surrogate, which a model can write in JSON, is no text that can be stored.
        text = neutralised(answer.strip().encode("utf-8", "replace").decode())
        if not text:
            raise SummaryFailedError("the answer was empty")
        if (tokens := self.count_tokens(text)) > at_most:
            raise SummaryFailedError(
                f"the answer had {tokens} tokens, with {wanted} wanted and at most {at_most} of use"
            )
        return text

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
