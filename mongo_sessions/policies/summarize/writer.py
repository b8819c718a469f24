"""The requests to a summariser for one summary, and the steps that make the summary fit.

The new segment is requested at its full length. If the summary is too long then, its segments are,
in this order:

1. merged, two neighbours at a time;
2. shortened by the summariser, oldest first, each down to a guaranteed length;
3. cut, oldest first, each down to the guaranteed length, and then to nothing.

A merge leaves one segment fewer, and a segment is shortened at most once. So the number of requests
is bounded, and the result fits, with any token counter.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from .checked_summarizer import AnswerTooLongError, SummaryFailedError
from .segments import (
    Segment,
    end_of,
    first_lines,
    least_tokens,
    merge_tokens,
    merged,
    new_segment_tokens,
    newest_within,
    next_merge,
    render,
)
from .summarizers import SummaryRequest
from .transcript import parts as transcribed
from .transcript import split_to_fit

if TYPE_CHECKING:
    from .block import Block
    from .budget import Budget
    from .checked_summarizer import CheckedSummarizer
    from .summary_tokens import SummaryTokens

MOST_BYTES = 500_000
"""Of a summary, in UTF-8. It bounds the stored size if a token counter counts too little."""

# The least that is requested is the length of this text: no summariser could write less.
_SHORT_ANSWER = "Nothing happened here that has to be remembered."


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes the summary that a block ends with."""

    summarizer: CheckedSummarizer
    budget: Budget
    tokens: SummaryTokens

    async def segments(self, block: Block) -> list[Segment]:
        """The summary of everything up to the end of ``block``.

        Raises:
            SummaryFailedError: the summariser failed, or the budget has no room for any text.
            LeaseLostError: another worker makes the summary.
        """
        if self._room < 0:
            raise SummaryFailedError(
                f"an empty summary has {self.budget.summary_tokens - self._room} tokens, more than "
                f"summary_tokens={self.budget.summary_tokens}"
            )
        segments = [*block.segments, await self._new_segment(block)]
        while not self._fit(segments) and (index := next_merge(segments)) is not None:
            segments = await self._merged(segments, index, self._merge_tokens(segments, index))
        if self._fit(segments):
            return segments
        least = least_tokens(self._room, len(segments))
        segments = await self._with_less_before_the_newest(segments, least)
        # In a thread: an answer may have megabytes.
        segments = await asyncio.to_thread(self._cut, segments, len(segments) - 1, least)
        if self._fit(segments):
            return segments
        segments[-1] = await self._shortened(segments[-1])
        return await asyncio.to_thread(self._cut, segments, len(segments), 0)

    async def _new_segment(self, block: Block) -> Segment:
        """What happened in ``block``, in one segment."""
        first, last = block.entries[0], block.entries[-1]
        before = self.tokens.shown(block.segments, self.tokens.fixed)
        free = self.budget.summary_tokens - before
        wanted = self._wanted(new_segment_tokens(self._room, free))
        room = self.budget.input_tokens - self.budget.context_tokens
        # In a thread: a block may hold megabytes.
        transcripts = await asyncio.to_thread(
            transcribed, block.entries, room, self.tokens.message, calls=block.calls
        )
        replaced = sum(entry.tokens for entry in block.entries) // max(1, len(transcripts))
        pieces: list[Segment] = []
        for transcript in transcripts:
            so_far = self._context([*block.segments, *pieces])
            request = SummaryRequest("fold", transcript, so_far, wanted)
            text = await self._summarised(request, replaced)
            pieces.append(self._with_text(Segment(first.seq, last.seq, 0, "", 0), text))
        while len(pieces) > 1:
            index = next_merge(pieces)
            pieces = await self._merged(pieces, len(pieces) - 2 if index is None else index, wanted)
        # No pieces: the items have no text that a summariser could read.
        return replace(pieces[0], level=0) if pieces else Segment(first.seq, last.seq, 0, "", 0)

    async def _summarised(self, request: SummaryRequest, replaced: int) -> str:
        """The transcript in fewer tokens than ``replaced``, or in as many as are wanted."""
        transcript = request.transcript
        # A short transcript is kept unchanged. A count of 0 tells nothing about its length.
        if 0 < self.tokens.text(transcript) <= request.wanted_tokens - self.tokens.message(""):
            return transcript
        return await self.summarizer.ask(request, at_most=replaced - 1)

    async def _merged(self, segments: list[Segment], index: int, wanted: int) -> list[Segment]:
        text = render(segments[index : index + 2])
        if self.tokens.message(text) > wanted:
            text = await self._shorter_if_it_can("merge", text, wanted)
        return merged(segments, index, text, self.tokens.message(text) if text else 0)

    async def _shorter_if_it_can(
        self, kind: Literal["fold", "merge"], text: str, wanted: int
    ) -> str:
        """A shorter ``text``; ``text`` itself if the summariser does not shorten it.

        As a failure, it would be tried again, with the same answer, without end.
        """
        try:
            return await self._rewritten(kind, text, wanted)
        except AnswerTooLongError:
            return text

    def _merge_tokens(self, segments: list[Segment], index: int) -> int:
        least = least_tokens(self._room, len(segments) - 1)
        spare = sum(max(0, self.tokens.text(older.text) - least) for older in segments[:index])
        both = self.tokens.text(render(segments[index : index + 2]))
        excess = self.tokens.summary(segments) - self.budget.summary_tokens
        return self._wanted(merge_tokens(both, excess, spare, least))

    async def _with_less_before_the_newest(
        self, segments: list[Segment], least: int
    ) -> list[Segment]:
        """The segments with the oldest ones shortened, one after the other, until all fit.

        A segment is shortened by twice the excess, so that the next fold need not shorten it again,
        and keeps ``least`` tokens.
        """
        kept = list(segments)
        for index, segment in enumerate(segments[:-1]):
            if self._fit(kept):
                break
            excess = self.tokens.summary(kept) - self.budget.summary_tokens
            tokens = self.tokens.text(segment.text)
            if tokens > least:
                wanted = self._wanted(max(least, tokens - 2 * excess))
                text = await self._shorter_if_it_can("fold", segment.text, wanted)
                kept[index] = self._rewritten_as(segment, text)
        return kept

    async def _shortened(self, segment: Segment) -> Segment:
        """The newest segment, shortened by the summariser because it exceeds the whole room."""
        wanted = self._wanted(new_segment_tokens(self._room, self._room))
        return self._rewritten_as(segment, await self._rewritten("fold", segment.text, wanted))

    async def _rewritten(self, kind: Literal["fold", "merge"], text: str, wanted: int) -> str:
        """A shorter text, from several answers if ``text`` exceeds one request."""
        pieces = list(split_to_fit(text.split("\n"), self.budget.input_tokens, self.tokens.message))
        wanted = self._wanted((wanted - self.tokens.message("")) // len(pieces))
        return "\n".join([await self._shorter(kind, piece, wanted) for piece in pieces])

    async def _shorter(self, kind: Literal["fold", "merge"], text: str, wanted: int) -> str:
        if (tokens := self.tokens.message(text)) <= wanted:
            return text
        # An answer longer than wanted is no failure: the rest is cut, without another request.
        return await self.summarizer.ask(SummaryRequest(kind, text, "", wanted), tokens - 1)

    def _cut(self, segments: list[Segment], number: int, least: int) -> list[Segment]:
        """``segments`` with the oldest ``number`` cut until all fit, as far as possible.

        Oldest first. A segment is cut from its beginning on, and keeps ``least`` tokens. The very
        first one keeps its first lines, too, as half of that: they often concern the whole.
        """
        kept = list(segments)
        for index in range(number):
            if self._fit(kept):
                break
            text = kept[index].text
            head = ""
            if least and not index:
                head = first_lines(text, lambda lines: self.tokens.text(lines) <= least // 2)

            def fits(end: str, index: int = index, head: str = head) -> bool:
                changed = replace(kept[index], text=head + end)
                candidate = [*kept[:index], changed, *kept[index + 1 :]]
                return self._fit(candidate) or 0 < self.tokens.text(head + end) <= least

            end = end_of(text[len(head) :], fits)
            kept[index] = self._with_text(kept[index], head + end)
        return kept

    def _fit(self, segments: list[Segment]) -> bool:
        if self.tokens.summary(segments) > self.budget.summary_tokens:
            return False
        return len(render(segments).encode()) <= MOST_BYTES

    def _context(self, segments: list[Segment]) -> str:
        most = self.budget.context_tokens
        return newest_within(segments, lambda text: self.tokens.message(text) <= most)

    def _with_text(self, segment: Segment, text: str) -> Segment:
        return replace(segment, text=text, tokens=self.tokens.message(text) if text else 0)

    def _rewritten_as(self, segment: Segment, text: str) -> Segment:
        rewrites = segment.rewrites + (text != segment.text)
        return replace(self._with_text(segment, text), rewrites=rewrites)

    @property
    def _room(self) -> int:
        """Tokens for text: the budget without the message around it."""
        return self.budget.summary_tokens - self.tokens.empty

    def _wanted(self, text_tokens: int) -> int:
        """The length to request: ``text_tokens`` of text, counted as a message of its own."""
        least = self.tokens.message(_SHORT_ANSWER)
        return max(least, text_tokens + self.tokens.message(""))
