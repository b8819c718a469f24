"""The parts of an explanation. Each can tell itself in a sentence."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from ..policies import CutReason, FoldPhase
from .rows import date, percent, plural

if TYPE_CHECKING:
    from datetime import datetime

    from ..policies import FoldState


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of items, and their tokens."""

    items: int = 0
    tokens: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.items + other.items, self.tokens + other.tokens)


NOTHING = Amount()


@dataclass(frozen=True, slots=True)
class TokensByKind:
    """The tokens of a prompt, each counted under one kind."""

    user: int = 0
    assistant: int = 0
    reasoning: int = 0
    tool_calls: int = 0
    tool_outputs: int = 0
    instructions: int = 0
    """System and developer messages in the history."""
    summary: int = 0
    other: int = 0

    @property
    def total(self) -> int:
        return sum(tokens for _, tokens in self._named())

    def __str__(self) -> str:
        return ", ".join(f"{name} {tokens:,}" for name, tokens in self._named() if tokens)

    def _named(self) -> list[tuple[str, int]]:
        return [(field.name.replace("_", " "), getattr(self, field.name)) for field in fields(self)]


NO_TOKENS = TokensByKind()


@dataclass(frozen=True, slots=True)
class ExplainedCut:
    """Where the part that is shown item by item begins."""

    seq: int
    created_at: datetime
    """UTC."""
    begins_with: str
    """The kind of item, such as ``"a user message"``."""
    reason: CutReason
    budget: int | None
    block: int | None

    @property
    def why(self) -> str:
        """The reason in a sentence."""
        if self.reason is CutReason.BUDGET and self.budget is not None:
            moves = f", and moves by at most {self.block:,} tokens at once" if self.block else ""
            return (
                f"the budget of {self.budget:,} tokens is full; the view starts at the best cut "
                f"of its block{moves}"
            )
        return self.reason.value

    def __str__(self) -> str:
        return f"item {self.seq:,} of {date(self.created_at)}, {self.begins_with}: {self.why}"


@dataclass(frozen=True, slots=True)
class SummaryRange:
    """The part of a conversation that one segment of a summary covers."""

    first_seq: int
    last_seq: int
    first_at: datetime | None
    """When the first item was added, in UTC. None if its document is deleted."""
    last_at: datetime | None
    level: int
    """How often the text was merged with that of a neighbour."""
    rewrites: int
    """How often the summariser has written it anew since: merged or shortened."""
    tokens: int

    def __str__(self) -> str:
        ends = [f"{at:%Y-%m-%d}" for at in (self.first_at, self.last_at) if at is not None]
        dates = f" ({' to '.join(dict.fromkeys(ends))})" if ends else ""
        text = f"items {self.first_seq:,} to {self.last_seq:,}{dates}: {self.tokens:,} tokens"
        if self.level or self.rewrites:
            times = "once" if self.rewrites == 1 else f"{self.rewrites} times"
            text += f", level {self.level}, rewritten {times}"
        return text


@dataclass(frozen=True, slots=True)
class ExplainedSummary:
    """The summary that is shown."""

    anchor_seq: int
    """The last item that it covers."""
    created_at: datetime
    """When that item was added, in UTC."""
    tokens: int
    """Of the message that shows it."""
    segments: tuple[SummaryRange, ...]
    """Oldest first. Empty if another policy has stored the summary."""

    def __str__(self) -> str:
        until = f"item {self.anchor_seq:,} of {date(self.created_at)}"
        return f"of everything up to {until}, {self.tokens:,} tokens"


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """The tokens of one model call, as the provider reported them; None if it did not."""

    seq: int
    """The first item that the model wrote in this call."""
    input_tokens: int | None
    cached_tokens: int | None
    """Of the input: taken from the provider's prompt cache."""
    output_tokens: int | None

    def __str__(self) -> str:
        text = (
            "no input tokens"
            if self.input_tokens is None
            else f"{self.input_tokens:,} input tokens"
        )
        if self.input_tokens and self.cached_tokens is not None:
            share = percent(self.cached_tokens / self.input_tokens)
            text += f" ({self.cached_tokens:,} cached, {share})"
        if self.output_tokens is not None:
            text += f", {self.output_tokens:,} output tokens"
        return f"{text}, for the call that wrote item {self.seq:,}"


@dataclass(frozen=True, slots=True)
class SharedPrefix:
    """The beginning of a prompt that is the same as in the call before."""

    seq: int
    """The first item that the model wrote in the call before."""
    items: int
    tokens: int
    share: float
    """Of the tokens of this prompt, from 0 to 1; of its items if the store counts no tokens."""

    def __str__(self) -> str:
        items = f"{self.items:,} {plural('item', self.items)}"
        return (
            f"{items}, {self.tokens:,} tokens ({percent(self.share)}), the same as in the call "
            f"that wrote item {self.seq:,}"
        )


def fold_text(fold: FoldState) -> str:
    """The state of the next fold in a sentence."""
    text = fold.phase.value
    if fold.phase is FoldPhase.NOT_DUE:
        text = f"due in {fold.due_in_tokens:,} tokens"
    elif fold.first_seq is not None:
        text = f"items {fold.first_seq:,} to {fold.last_seq:,}, {fold.tokens:,} tokens: {text}"
    if fold.until is not None:
        text += f", until {date(fold.until, seconds=True)} by the server's clock"
    if fold.failures:
        text += f". Failed attempts: {fold.failures}"
    return text + (f". The last one: {fold.reason}" if fold.reason else "")
