"""Where a history may be cut, and what of it a model accepts.

The Responses API rejects an output without its call, a call without its output, and reasoning
without the item that it led to. Nothing here looks at a database or at tokens: items in, positions
or items out. Every policy cuts through these functions and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from .policy import Item

_INSTRUCTING_ROLES = frozenset({"user", "system", "developer"})


class Cut(NamedTuple):
    """A position at which a window may start."""

    position: int
    starts_turn: bool


def starts_turn(item: Item) -> bool:
    """Whether ``item`` is a user message: a turn is one, and everything up to the next."""
    return item.get("role") == "user"


def allowed_cuts(items: Sequence[Item], before: Item | None) -> list[Cut]:
    """Positions in ``items`` at which a window may start, in order.

    These are user, system and developer messages, and the first items of model responses, except
    between a call and its output. ``before`` is the item in front of ``items``: None says that
    ``items`` is the whole history, and a window may always start at its beginning.
    """
    answers = _answers(items)
    cuts = []
    answered_at = -1
    for index, item in enumerate(items):
        previous = items[index - 1] if index else before
        if index > answered_at and _may_start(item, previous):
            cuts.append(Cut(index, starts_turn(item)))
        answered_at = max(answered_at, answers.get(index, -1))
    return cuts


def valid(items: Sequence[Item]) -> list[Item]:
    """``items`` without what an API rejects.

    Left out are outputs without their call, calls without their output (an approval that is still
    open, a run that crashed) and reasoning whose follower is not there. A history that was never
    broken and was cut at an allowed position comes back as it is.
    """
    answers = _answers(items)
    paired = answers.keys() | set(answers.values())
    kept = [_pair_key(item) is None or index in paired for index, item in enumerate(items)]
    follower_kept = False
    for index in reversed(range(len(items))):
        if items[index].get("type") == "reasoning":
            kept[index] = follower_kept
        else:
            follower_kept = kept[index] and _from_model(items[index])
    return [item for index, item in enumerate(items) if kept[index]]


def _may_start(item: Item, previous: Item | None) -> bool:
    if previous is None or item.get("role") in _INSTRUCTING_ROLES:
        return True
    return _from_model(item) and not _from_model(previous)


def _answers(items: Sequence[Item]) -> dict[int, int]:
    """Index of each answered call, with the index of its output.

    An output belongs to the newest call before it that has its id and is still unanswered:
    some providers use an id again in a later response.
    """
    waiting: dict[Hashable, list[int]] = {}
    answers = {}
    for index, item in enumerate(items):
        key = _pair_key(item)
        if key is None:
            continue
        if _is_answer(item):
            if calls := waiting.get(key):
                answers[calls.pop()] = index
        else:
            waiting.setdefault(key, []).append(index)
    return answers


def _pair_key(item: Item) -> Hashable | None:
    """What an item shares with its counterpart; None if it stands alone.

    A call and its output share a kind (``function_call`` and ``function_call_output``) and a
    ``call_id``; calls that the provider runs itself have no ``call_id``, and their result inside.
    """
    kind = item.get("type")
    if kind == "mcp_approval_request":
        return "approval", item.get("id")
    if kind == "mcp_approval_response":
        return "approval", item.get("approval_request_id")
    if not isinstance(kind, str) or not isinstance(call_id := item.get("call_id"), str):
        return None
    return kind.removesuffix("_output").removesuffix("_call"), call_id


def _is_answer(item: Item) -> bool:
    kind = str(item.get("type"))
    return kind == "mcp_approval_response" or kind.endswith("_output")


def _from_model(item: Item) -> bool:
    """Whether a model wrote the item: anything but instructing messages and answers to calls."""
    if item.get("role") in _INSTRUCTING_ROLES:
        return False
    return _pair_key(item) is None or not _is_answer(item)
