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
_APPROVAL_ID = {"mcp_approval_request": "id", "mcp_approval_response": "approval_request_id"}
# These are paired in their order where the provider gives them no call_id.
_MAY_BE_ANONYMOUS = frozenset({"tool_search_call", "tool_search_output"})
_PAIRED_WITHOUT_CALL_ID = _MAY_BE_ANONYMOUS | _APPROVAL_ID.keys()


class Cut(NamedTuple):
    """A position at which a window may start."""

    position: int
    starts_turn: bool


def starts_turn(item: Item) -> bool:
    """Whether ``item`` is a user message: a turn is one, and everything up to the next."""
    return item.get("role") == "user"


def may_start(item: Item, previous: Item | None) -> bool:
    """Whether ``item`` is an instructing message, or the first item of a model response.

    ``previous`` is the item in front of it; None says that there is none.
    """
    if previous is None or _instructs(item):
        return True
    return _from_model(item) and not _from_model(previous)


def allowed_cuts(items: Sequence[Item], before: Item | None) -> list[Cut]:
    """Positions in ``items`` at which a window may start, in order.

    These are user, system and developer messages, and the first items of model responses, except
    between a call and its output. ``before`` is the item in front of ``items``: None says that
    ``items`` is the whole history, and a window may always start at its beginning.
    """
    answers = _answers(list(map(_pair_key, items)), items)
    cuts = []
    answered_at = -1
    for index, item in enumerate(items):
        previous = items[index - 1] if index else before
        if index > answered_at and may_start(item, previous):
            cuts.append(Cut(index, starts_turn(item)))
        answered_at = max(answered_at, answers.get(index, -1))
    return cuts


def valid(items: Sequence[Item]) -> list[Item]:
    """``items`` without what an API rejects.

    Left out are outputs without their call, calls without their output (an approval that is still
    open, a run that crashed), what a program called that is left out itself, and reasoning whose
    follower is not there. A history that was never broken and was cut at an allowed position comes
    back as it is.
    """
    keys = list(map(_pair_key, items))
    answers = _answers(keys, items)
    finished = {items[call]["call_id"] for call in answers if items[call].get("type") == "program"}
    finished.add(None)  # what no program called
    if any(_program_of(item) not in finished for item in items):
        return valid([item for item in items if _program_of(item) in finished])
    paired = answers.keys() | set(answers.values())
    kept = [key is None or index in paired for index, key in enumerate(keys)]
    follower_kept = False
    for index in reversed(range(len(items))):
        if items[index].get("type") == "reasoning":
            kept[index] = follower_kept
        else:
            follower_kept = kept[index] and _from_model(items[index])
    return [item for index, item in enumerate(items) if kept[index]]


def _answers(keys: Sequence[Hashable | None], items: Sequence[Item]) -> dict[int, int]:
    """Index of each answered call, with the index of its output; ``keys`` pair them.

    An output belongs to the newest call before it that has its id and is still unanswered:
    some providers use an id again in a later response.
    """
    waiting: dict[Hashable, list[int]] = {}
    answers = {}
    for index, key in enumerate(keys):
        if key is None:
            continue
        if _is_answer(items[index]):
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
    kind, call_id = str(item.get("type")), item.get("call_id")
    if not isinstance(call_id, str) and kind not in _PAIRED_WITHOUT_CALL_ID:
        return None
    if kind in _APPROVAL_ID:
        return "approval", str(item.get(_APPROVAL_ID[kind]))
    return kind.removesuffix("_output").removesuffix("_call"), str(call_id)


def _program_of(item: Item) -> str | None:
    """The call id of the program that issued this item, if one did."""
    caller = item.get("caller")
    if not isinstance(caller, dict) or caller.get("type") != "program":
        return None
    return str(caller.get("caller_id"))


def _is_answer(item: Item) -> bool:
    kind = str(item.get("type"))
    return kind == "mcp_approval_response" or kind.endswith("_output")


def _instructs(item: Item) -> bool:
    return str(item.get("role")) in _INSTRUCTING_ROLES


def _from_model(item: Item) -> bool:
    """Whether a model wrote the item: anything but instructing messages and answers to calls."""
    return not _instructs(item) and not (_is_answer(item) and _pair_key(item) is not None)
