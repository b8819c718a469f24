"""How the tokens of a summarising policy are divided."""

from __future__ import annotations

from dataclasses import dataclass

from ..checks import check_whole_number

LEAST_TOKENS = 1_000
LEAST_SUMMARY_TOKENS = 256


@dataclass(frozen=True, slots=True)
class Budget:
    """All in tokens; made by :meth:`divided`, which checks them."""

    max_tokens: int
    """Of the whole view."""
    summary_tokens: int
    """Of the summary message."""
    fold_tokens: int
    """Of a block, which is folded at a time."""
    input_tokens: int
    """Of a request to the summariser."""

    @classmethod
    def divided(
        cls,
        max_tokens: int,
        summary_tokens: int | None = None,
        fold_tokens: int | None = None,
        input_tokens: int | None = None,
    ) -> Budget:
        """A budget with what is None derived from ``max_tokens``; an error names what is wrong."""
        check_whole_number("max_tokens", max_tokens, at_least=LEAST_TOKENS)
        if summary_tokens is None:
            summary_tokens = max(LEAST_SUMMARY_TOKENS, max_tokens // 8)
        check_whole_number("summary_tokens", summary_tokens, at_least=LEAST_SUMMARY_TOKENS)
        if fold_tokens is None:
            fold_tokens = max(1, (max_tokens - summary_tokens) * 3 // 8)
        check_whole_number("fold_tokens", fold_tokens, at_least=1)
        if input_tokens is None:
            input_tokens = max(max_tokens, 2 * summary_tokens)
        budget = cls(max_tokens, summary_tokens, fold_tokens, input_tokens)
        if budget.due_tokens > budget.verbatim_tokens:
            raise ValueError(
                f"max_tokens ({max_tokens!r}) must have room for summary_tokens "
                f"({summary_tokens!r}) and twice fold_tokens ({fold_tokens!r})"
            )
        # Two segments must find room, to be merged.
        check_whole_number("input_tokens", input_tokens, at_least=2 * summary_tokens)
        return budget

    @property
    def verbatim_tokens(self) -> int:
        """Of the newest items, the most that are shown as they are: the hard limit."""
        return self.max_tokens - self.summary_tokens

    @property
    def due_tokens(self) -> int:
        """Of the items after the summary, when the oldest are folded: the soft limit."""
        return 2 * self.fold_tokens

    @property
    def context_tokens(self) -> int:
        """Of the summary so far, the most that is given along with a transcript."""
        return min(self.fold_tokens // 4, self.input_tokens // 2)
