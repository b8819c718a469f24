"""An explanation: what the model sees or has seen of a session, in numbers. It holds no text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .explanation_parts import NO_TOKENS, NOTHING, Amount, TokensByKind, fold_text
from .explanation_rows import Bar, Numbers, Sentence, Title, percent
from .explanation_text import drawn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from .explanation_parts import (
        ExplainedCut,
        ExplainedSummary,
        ModelUsage,
        SharedPrefix,
    )
    from .explanation_rows import Row
    from .policies import FoldState


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What the model sees of a session, or has seen, and why: the result of ``session.explain()``.

    All tokens are counts of the store's counter, except :attr:`usage`. The parts ``verbatim``,
    ``trimmed``, ``summary`` and ``added`` add up to :attr:`tokens`, and so does :attr:`by_kind`;
    ``shown``, ``covered`` and ``left_out`` add up to :attr:`stored`. ``print`` draws it, and so
    does rich.
    """

    session_id: str
    at_seq: int | None = None
    """The item that the model wrote when it was shown this. None: what it would be shown now."""
    policy: str | None = None
    """The repr of the policy; None without one."""
    limit: int | None = None
    """The limit of the session's settings, in items; None without one, or with a policy."""
    budget: int | None = None
    """The most tokens that the policy shows; None if it has no such limit."""
    overhead: int = 0
    """Tokens of the prompt outside the history, as far as reported usage tells: instructions, tool
    schemas, additions of the provider. Not part of :attr:`tokens`."""
    has_token_counts: bool = True
    """False for a store with ``token_counter=None``, which counts none: then tokens are 0."""

    verbatim: Amount = NOTHING
    """Stored items that are shown unchanged."""
    trimmed: Amount = NOTHING
    """Stored items that are shown shortened, with the tokens that are shown."""
    trimmed_from: int = 0
    """Stored tokens of the items in :attr:`trimmed`."""
    summary: Amount = NOTHING
    added: Amount = NOTHING
    """Items that are not stored, except the summary."""
    in_run: Amount = NOTHING
    """With ``at_seq``: the items of :attr:`verbatim` that followed the view. These are the new
    input, and what the run had produced before."""

    shown: Amount = NOTHING
    """Stored items that are shown, each counted once, with their stored tokens."""
    covered: Amount = NOTHING
    """Stored items that the summary covers, and that are not shown."""
    left_out: Amount = NOTHING
    """Stored items that are neither shown nor covered."""

    by_kind: TokensByKind = NO_TOKENS
    cut: ExplainedCut | None = None
    """None if no stored item is shown."""
    summary_shown: ExplainedSummary | None = None
    fold: FoldState | None = None
    """The next fold. None with ``at_seq``, and for a policy that makes no summaries."""
    usage: ModelUsage | None = None
    """Of the call that ``at_seq`` names, otherwise of the newest one. None if unknown."""
    prefix: SharedPrefix | None = None
    """None if the call before is unknown."""
    notes: tuple[str, ...] = ()
    """What limits this explanation, in sentences."""

    @property
    def items(self) -> int:
        """Items in the prompt."""
        return self._prompt.items

    @property
    def tokens(self) -> int:
        """Tokens of the prompt, without :attr:`overhead`."""
        return self._prompt.tokens

    @property
    def stored(self) -> Amount:
        """All items of the session; with ``at_seq``, the items before the model's answer."""
        return self.shown + self.covered + self.left_out

    @property
    def _prompt(self) -> Amount:
        return self.verbatim + self.trimmed + self.summary + self.added

    def __str__(self) -> str:
        return drawn(self._rows())

    def __rich__(self) -> RenderableType:
        from .explanation_rich import rendered  # noqa: PLC0415 - rich need not be installed

        return rendered(self._rows())

    def _rows(self) -> list[Row]:
        return [*self._head(), None, *self._numbers(), None, *self._sentences()]

    def _head(self) -> Iterator[Row]:
        title = "what the model sees now"
        if self.at_seq is not None:
            title = f"what the model saw when it wrote item {self.at_seq:,}"
        yield Title(f"Session {self.session_id!r}", title)
        without = "none: every item is shown"
        if self.limit is not None:
            without = f"none: the newest {self.limit:,} items are shown"
        yield Sentence("Policy", self.policy or without)
        if self.tokens:
            yield self._bar()

    def _bar(self) -> Bar:
        total, budget = self.tokens, self.budget
        text = f"{total:,} tokens"
        if budget is not None:
            text = f"{total:,} of {budget:,} tokens, {percent(total / budget)}"
            text += ", over the budget" if total > budget else ""
        parts = (
            ("summary", self.summary.tokens),
            ("verbatim", self.verbatim.tokens),
            ("trimmed", self.trimmed.tokens),
            ("added", self.added.tokens),
            ("free", max(0, (budget or 0) - total)),
        )
        return Bar(tuple((name, tokens) for name, tokens in parts if tokens), text)

    def _numbers(self) -> Iterator[Row]:
        yield Numbers("In the prompt", self.items, self.tokens, is_sum=True)
        yield from _part("summary", self.summary, block="summary")
        new = f"{self.in_run.items:,} new in the run" if self.in_run.items else ""
        yield from _part("as stored", self.verbatim, new, block="verbatim")
        stored_tokens = f"of {self.trimmed_from:,} stored"
        yield from _part("shortened", self.trimmed, stored_tokens, block="trimmed")
        yield from _part("added by the policy", self.added, block="added")
        yield Numbers("In the session", self.stored.items, self.stored.tokens, is_sum=True)
        yield from _part("shown", self.shown)
        yield from _part("summarised", self.covered)
        yield from _part("left out", self.left_out)

    def _sentences(self) -> Iterator[Row]:
        if self.tokens:
            yield Sentence("Tokens", str(self.by_kind))
        if self.cut is not None:
            yield Sentence("Begins at", str(self.cut))
        if self.summary_shown is not None:
            yield Sentence("Summary", str(self.summary_shown))
            for segment in self.summary_shown.segments:
                yield Sentence("", str(segment), is_part=True)
        if self.fold is not None:
            yield Sentence("Next fold", fold_text(self.fold))
        if self.overhead:
            rest = "instructions, tools, and what the provider adds"
            yield Sentence("On top", f"about {self.overhead:,} tokens: {rest}")
        if self.usage is not None and self.usage.input_tokens is not None:
            yield Sentence("Provider", str(self.usage))
        if self.prefix is not None:
            yield Sentence("Same prefix", str(self.prefix))
        for note in self.notes:
            yield Sentence("Note", note)


def _part(label: str, amount: Amount, note: str = "", block: str | None = None) -> Iterator[Row]:
    if amount.items:
        yield Numbers(label, amount.items, amount.tokens, note, block)
