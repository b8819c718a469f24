"""Checks of a policy when it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .policies import HasMaintenance, NeedsTokenCounts
from .policies.checks import check_coroutine_function
from .policies.names import name_of

if TYPE_CHECKING:
    from .policies import RetrievalPolicy


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
