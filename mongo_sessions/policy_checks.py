"""Checks of a policy when it is given, and of what it returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from .policies import HasMaintenance, NeedsTokenCounts
from .policies.checks import check_coroutine_function
from .policies.names import name_of

if TYPE_CHECKING:
    from .policies import Item, RetrievalPolicy


def check_policy(policy: RetrievalPolicy | None, *, has_token_counts: bool) -> None:
    """Check whether a store can use ``policy``.

    Raises:
        TypeError: the policy or its ``maintain`` is not a coroutine function.
        ValueError: it needs token counts, and the store has none.
    """
    if policy is not None:
        check_coroutine_function("policy", policy)
    if isinstance(policy, HasMaintenance):
        check_coroutine_function("policy.maintain", policy.maintain)
    if isinstance(policy, NeedsTokenCounts) and not has_token_counts:
        raise ValueError(f"{name_of(policy)} needs token counts, and token_counter is None")


def checked_view(policy: RetrievalPolicy, view: object) -> list[Item]:
    """Return ``view``, which ``policy`` has returned.

    An Entry in the place of its item would otherwise reach the model.

    Raises:
        TypeError: it is not a list of items.
    """
    expected = f"policy {name_of(policy)} must return a list of items, which are dicts; got"
    if not isinstance(view, list):
        raise TypeError(f"{expected} {type(view).__name__}")
    for index, item in enumerate(view):
        if not isinstance(item, dict):
            raise TypeError(f"{expected} {type(item).__name__} at index {index}")
    return cast("list[Item]", view)
