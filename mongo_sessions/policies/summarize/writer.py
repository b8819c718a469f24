"""The writing of a summary: what a summariser is asked, and how everything finds room.

A new segment is asked for at its full length. What is too long then is, in this order: merged, two
neighbours at a time; rewritten in fewer words, oldest first, down to what each segment can always
have; cut, oldest first, down to that, and then to nothing. Each merge leaves one segment fewer, and
each segment is rewritten once at most, so writing ends after a bounded number of requests in a
summary that fits, whatever counts the tokens.
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
"""Of a summary, in UTF-8: it is stored in a document, and some counters hardly count a text."""

# Fewer tokens than this costs are never asked for: no summariser could keep to them.
_SHORT_ANSWER = "Nothing happened here that has to be remembered."


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes the summary of one block."""

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
                f"a summary without any text has {self.budget.summary_tokens - self._room} tokens, "
                f"with room for {self.budget.summary_tokens}"
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
        free = self.budget.summary_tokens - self.tokens.summary(block.segments)
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
        # Nothing to tell: the items had no text that a summariser could read.
        return replace(pieces[0], level=0) if pieces else Segment(first.seq, last.seq, 0, "", 0)

    async def _summarised(self, request: SummaryRequest, replaced: int) -> str:
        """In fewer tokens than are ``replaced``, or as few as are wanted."""
        transcript = request.transcript
        # What is short enough loses nothing, if the counter says anything about its length.
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
        """``text`` itself from a summariser that does not shorten it.

        As a failure, that would be asked for again, and answered in the same way, for ever.
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
        """The oldest rewritten in fewer words, one after the other, until all fit.

        Each gives twice what is needed, so that it is not asked for again at the next fold, and
        keeps ``least`` tokens.
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
                kept[index] = self._with_text(segment, text)
        return kept

    async def _shortened(self, segment: Segment) -> Segment:
        """A summariser that wrote more than there is room for is given its own words."""
        wanted = self._wanted(new_segment_tokens(self._room, self._room))
        return self._with_text(segment, await self._rewritten("fold", segment.text, wanted))

    async def _rewritten(self, kind: Literal["fold", "merge"], text: str, wanted: int) -> str:
        """A shorter text, of several answers if ``text`` was made for more room."""
        pieces = list(split_to_fit(text.split("\n"), self.budget.input_tokens, self.tokens.message))
        wanted = self._wanted((wanted - self.tokens.message("")) // len(pieces))
        return "\n".join([await self._shorter(kind, piece, wanted) for piece in pieces])

    async def _shorter(self, kind: Literal["fold", "merge"], text: str, wanted: int) -> str:
        if (tokens := self.tokens.message(text)) <= wanted:
            return text
        # Longer than wanted is no failure: what does not fit is cut, and not asked for again.
        return await self.summarizer.ask(SummaryRequest(kind, text, "", wanted), tokens - 1)

    def _cut(self, segments: list[Segment], number: int, least: int) -> list[Segment]:
        """``segments`` that fit, if enough can be cut out of the oldest ``number``.

        Oldest first, and of each no more than leaves ``least`` tokens, from its beginning on. Half
        of what is left of the very first is its beginning: it is often about the whole.
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
                others = [*kept[:index], changed, *kept[index + 1 :]]
                return self._fit(others) or 0 < self.tokens.text(head + end) <= least

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

    @property
    def _room(self) -> int:
        """For text, next to what the message has besides."""
        return self.budget.summary_tokens - self.tokens.summary([])

    def _wanted(self, text_tokens: int) -> int:
        """What to ask for, as a store counts an answer: a message of its own."""
        least = self.tokens.message(_SHORT_ANSWER)
        return max(least, text_tokens + self.tokens.message(""))
