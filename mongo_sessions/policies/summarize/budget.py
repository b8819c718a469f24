"""The division of a summarising policy's token budget."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from ..checks import check_whole_number

LEAST_TOKENS = 1_000
LEAST_SUMMARY_TOKENS = 256


@dataclass(frozen=True, slots=True)
class Budget:
    """All sizes in tokens. Made by :meth:`divided`, which checks them."""

    max_tokens: int
    """Of the whole view."""
    summary_tokens: int
    """Of the summary message."""
    fold_tokens: int
    """Of a block: the items that one fold covers."""
    input_tokens: int
    """Of one request to the summariser, without its instructions."""
    user_tokens: int = 0
    """Of the user messages that are kept word for word in the summary message."""
    idle: timedelta | None = None
    """After a pause of this length, a smaller block is due. None: never."""

    @classmethod
    def divided(
        cls,
        max_tokens: int,
        summary_tokens: int | None = None,
        fold_tokens: int | None = None,
        input_tokens: int | None = None,
        *,
        user_tokens: int = 0,
        idle: timedelta | None = None,
    ) -> Budget:
        """A budget in which every None is derived from ``max_tokens``.

        Raises:
            TypeError: a size is not a whole number.
            ValueError: a size is too small, or the sizes do not fit together.
        """
        check_whole_number("max_tokens", max_tokens, at_least=LEAST_TOKENS)
        check_whole_number("user_tokens", user_tokens, at_least=0)
        if summary_tokens is None:
            summary_tokens = max(LEAST_SUMMARY_TOKENS, max_tokens // 8) + user_tokens
        check_whole_number("summary_tokens", summary_tokens, at_least=LEAST_SUMMARY_TOKENS)
        if idle is not None and not isinstance(idle, timedelta):
            raise TypeError(f"fold_when_idle must be a timedelta or None, got {idle!r}")
        if idle is not None and idle <= timedelta(0):
            raise ValueError(f"fold_when_idle must be positive, got {idle!r}")
        if summary_tokens - user_tokens < LEAST_SUMMARY_TOKENS:
            raise ValueError(
                f"summary_tokens ({summary_tokens!r}) must have room for user_tokens "
                f"({user_tokens!r}) and {LEAST_SUMMARY_TOKENS} more"
            )
        if fold_tokens is None:
            fold_tokens = max(1, (max_tokens - summary_tokens) * 3 // 8)
        check_whole_number("fold_tokens", fold_tokens, at_least=1)
        if input_tokens is None:
            input_tokens = max(max_tokens, 2 * summary_tokens)
        budget = cls(max_tokens, summary_tokens, fold_tokens, input_tokens, user_tokens, idle)
        if budget.due_tokens > budget.verbatim_tokens:
            raise ValueError(
                f"max_tokens ({max_tokens!r}) must have room for summary_tokens "
                f"({summary_tokens!r}) and twice fold_tokens ({fold_tokens!r})"
            )
        # A merge request holds two segments, which may fill the summary.
        check_whole_number("input_tokens", input_tokens, at_least=2 * summary_tokens)
        return budget

    @property
    def verbatim_tokens(self) -> int:
        """The most tokens of newest items that are shown unchanged: the hard limit."""
        return self.max_tokens - self.summary_tokens

    @property
    def text_tokens(self) -> int:
        """Of the summary message without the user messages in it."""
        return self.summary_tokens - self.user_tokens

    @property
    def due_tokens(self) -> int:
        """Tokens after the summary at which a fold is due: the soft limit."""
        return 2 * self.fold_tokens

    @property
    def context_tokens(self) -> int:
        """The most tokens of the summary so far that accompany a transcript."""
        return min(self.fold_tokens // 4, self.input_tokens // 2)
