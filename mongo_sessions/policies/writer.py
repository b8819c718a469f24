"""The writing of a summary: what a summariser is asked, and which answers are good enough."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .segments import (
    Segment,
    fold_tokens_wanted,
    merge_tokens_wanted,
    merged,
    newest_within,
    next_merge,
    render,
)
from .summarizers import SummaryRequest
from .tags import neutralised
from .transcript import parts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .block import Block
    from .budget import Budget
    from .summarizers import Summarizer


class SummaryFailedError(Exception):
    """Why there is no summary, in words that hold nothing of the conversation."""


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
        replaced = sum(entry.tokens for entry in block.entries)
        wanted = fold_tokens_wanted(self.shown_tokens(block.segments), self.budget.summary_tokens)
        room = self.budget.input_tokens - self.budget.context_tokens
        # In a thread: a block may hold megabytes.
        transcripts = await asyncio.to_thread(parts, block.entries, room, self.count_tokens)
        pieces: list[Segment] = []
        for transcript in transcripts:
            so_far = newest_within([*block.segments, *pieces], self.budget.context_tokens)
            request = SummaryRequest("fold", transcript, render(so_far), wanted)
            text, tokens = await self._ask(request, replaced)
            pieces.append(Segment(first.seq, last.seq, 0, text, tokens))
        while len(pieces) > 1:
            pieces = await self._merge(pieces, next_merge(pieces), wanted)
        # Nothing to tell: the items had no text that a summariser could read.
        return pieces[0] if pieces else Segment(first.seq, last.seq, 0, "", 0)

    async def _shortened(self, segments: list[Segment]) -> list[Segment]:
        if len(segments) == 1:
            return await self._abridge(segments[0])
        index, room = next_merge(segments), self.budget.summary_tokens
        wanted = merge_tokens_wanted(segments, index, self.shown_tokens(segments), room)
        return await self._merge(segments, index, wanted)

    async def _merge(self, segments: list[Segment], index: int, wanted: int) -> list[Segment]:
        both = segments[index : index + 2]
        request = SummaryRequest("merge", render(both), "", wanted)
        text, tokens = await self._ask(request, sum(segment.tokens for segment in both))
        return merged(segments, index, text, tokens)

    async def _abridge(self, segment: Segment) -> list[Segment]:
        """A summariser that wrote more than there is room for is given its own words."""
        request = SummaryRequest("fold", segment.text, "", self.budget.summary_tokens // 3)
        text, tokens = await self._ask(request, segment.tokens)
        return [replace(segment, text=text, tokens=tokens)]

    async def _ask(self, request: SummaryRequest, replaced: int) -> tuple[str, int]:
        """A good answer, and its tokens: fewer than are ``replaced`` by it."""
        if not await self.claim():
            raise ClaimLostError
        answer = await self._answer(request)
        if not isinstance(answer, str):
            raise SummaryFailedError(f"the answer was of type {type(answer).__name__}, not str")
        # A lone surrogate, which a model can write in JSON, is no text that can be stored.
        text = neutralised(answer.strip().encode("utf-8", "replace").decode())
        if not text:
            raise SummaryFailedError("the answer was empty")
        tokens = self.count_tokens(text)
        if tokens >= replaced:
            raise SummaryFailedError(f"the answer had {tokens} tokens, in place of {replaced}")
        return text, tokens

    async def _answer(self, request: SummaryRequest) -> object:
        """What the summariser returns, whatever it does: it may hang, or cancel itself."""

        async def ask() -> object:
            answer: object = self.summarizer(request)
            return await answer if inspect.isawaitable(answer) else answer

        task = asyncio.ensure_future(ask())
        try:
            await asyncio.wait({task}, timeout=self.timeout)
        finally:
            task.cancel()
        if not task.done():
            raise SummaryFailedError(f"there was no answer within {self.timeout:g} seconds")
        if task.cancelled():
            raise SummaryFailedError("the summariser was cancelled")
        if error := task.exception():
            raise SummaryFailedError(f"the summariser raised {type(error).__name__}")
        return task.result()
