"""The writing of a summary: what a summariser is asked, and which answers are good enough."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .segments import Segment, merged, newest_within, next_merge, render, wanted_tokens
from .summarizers import SummaryRequest
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
    fits: Callable[[Sequence[Segment]], bool]
    """Whether segments find room where they are shown."""
    claim: Callable[[], Awaitable[bool]]
    """Whether the summary is still ours to make: asked before each request."""

    async def segments(self, block: Block) -> list[Segment]:
        """The summary of everything up to the end of ``block``.

        Raises:
            SummaryFailedError: the summariser did not do its work.
            ClaimLostError: it is not ours to do any more.
        """
        segments = [*block.segments, await self._fold(block)]
        while not self.fits(segments):
            if len(segments) == 1:
                raise SummaryFailedError("the answer was longer than the whole summary may be")
            segments = await self._merge(segments, next_merge(segments))
        return segments

    async def _fold(self, block: Block) -> Segment:
        first, last = block.entries[0], block.entries[-1]
        replaced = sum(entry.tokens for entry in block.entries)
        room = self.budget.input_tokens - self.budget.context_tokens
        # In a thread: a block may hold megabytes.
        transcripts = await asyncio.to_thread(parts, block.entries, room, self.count_tokens)
        pieces: list[Segment] = []
        for transcript in transcripts:
            so_far = newest_within([*block.segments, *pieces], self.budget.context_tokens)
            text, tokens = await self._ask("fold", transcript, render(so_far), 0, replaced)
            pieces.append(Segment(first.seq, last.seq, 0, text, tokens))
        while len(pieces) > 1:
            pieces = await self._merge(pieces, next_merge(pieces))
        # Nothing to tell: the items had no text that a summariser could read.
        return pieces[0] if pieces else Segment(first.seq, last.seq, 0, "", 0)

    async def _merge(self, segments: list[Segment], index: int) -> list[Segment]:
        both = segments[index : index + 2]
        level = max(segment.level for segment in both) + 1
        replaced = sum(segment.tokens for segment in both)
        text, tokens = await self._ask("merge", render(both), "", level, replaced)
        return merged(segments, index, text, tokens)

    async def _ask(
        self,
        kind: Literal["fold", "merge"],
        transcript: str,
        summary_so_far: str,
        level: int,
        replaced: int,
    ) -> tuple[str, int]:
        """A good answer, and its tokens."""
        if not await self.claim():
            raise ClaimLostError
        wanted = wanted_tokens(level, self.budget.summary_tokens)
        answer = await self._answer(SummaryRequest(kind, transcript, summary_so_far, wanted))
        if not isinstance(answer, str):
            raise SummaryFailedError(f"the answer was of type {type(answer).__name__}, not str")
        # A lone surrogate, which a model can write in JSON, is no text that can be stored.
        text = answer.strip().encode("utf-8", "replace").decode()
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
