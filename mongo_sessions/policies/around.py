"""A policy around another one: what it passes on besides the view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .checks import check_coroutine_function
from .folds import HasFolds
from .in_run import HasRecall
from .policy import HasMaintenance, HasPins

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .folds import FoldState
    from .policy import History, Item, PinnedItem, RetrievalPolicy
    from .view import View


class PolicyAround:
    """Passes on the slow work, the folds, the pins and the recalled block of ``policy``.

    Each is an attribute only if ``policy`` has it: a session looks whether it is there. What
    happens inside a run is for the subclass to say.

    Raises:
        TypeError: ``policy`` is not a coroutine function.
    """

    if TYPE_CHECKING:
        maintain: Callable[[History], Awaitable[bool]]
        fold_state: Callable[[History], Awaitable[FoldState | None]]
        pin_tokens: int
        tokens_of_pins: Callable[[History, Sequence[PinnedItem]], int]
        recalled: Callable[..., Awaitable[Item | None]]

    def __init__(self, policy: RetrievalPolicy) -> None:
        check_coroutine_function("policy", policy)
        self.policy = policy
        if isinstance(policy, HasMaintenance):
            self.maintain = policy.maintain
        if isinstance(policy, HasFolds):
            self.fold_state = policy.fold_state
        if isinstance(policy, HasPins):
            self.pin_tokens = policy.pin_tokens
            self.tokens_of_pins = policy.tokens_of_pins
        if isinstance(policy, HasRecall) and not isinstance(self, HasRecall):
            self.recalled = policy.recalled

    async def __call__(self, history: History, /) -> list[Item]:
        return (await self.view(history)).items

    async def view(self, history: History, /) -> View:
        """The view, with the stored item that each of its items comes from."""
        raise NotImplementedError
