"""Kinds of items: who wrote them, and by which ids a call and its output find each other."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable

    from .policy import Item


class Traits(NamedTuple):
    """What decides where an item may stand, looked up once."""

    instructs: bool
    """A user, system or developer message."""
    starts_turn: bool
    """A user message."""
    from_model: bool
    """Written by a model: neither instructing nor the answer to a call."""
    is_reasoning: bool = False
    is_answer: bool = False
    """An output, or the response to an approval request."""
    is_program: bool = False
    keys: tuple[Hashable, ...] | None = None
    """Shared with the counterpart of a call or an answer. None: the item stands alone. Empty: it
    needs a counterpart and names none, so it is broken."""
    program: str | None = None
    """The call id of the program that issued this item."""


_USER = Traits(instructs=True, starts_turn=True, from_model=False)
_INSTRUCTION = Traits(instructs=True, starts_turn=False, from_model=False)
_FROM_MODEL = Traits(instructs=False, starts_turn=False, from_model=True)
_REASONING = _FROM_MODEL._replace(is_reasoning=True)

_OF_ROLE = {"user": _USER, "system": _INSTRUCTION, "developer": _INSTRUCTION}
_APPROVAL_ID = {"mcp_approval_request": "id", "mcp_approval_response": "approval_request_id"}
# The Responses API pairs these in their order where they have no call_id.
_MAY_BE_ANONYMOUS = frozenset({"tool_search_call", "tool_search_output"})
# An API rejects these without a counterpart. Any other kind has one only if it has a call_id: what
# the provider calls itself, such as web_search_call, holds its result.
_CALLS = ("apply_patch", "computer", "custom_tool", "function", "local_shell", "shell")
_ALWAYS_PAIRED = {"program", "program_output"}.union(
    *({f"{name}_call", f"{name}_call_output"} for name in _CALLS)
)


def starts_turn(item: Item) -> bool:
    """Whether ``item`` is a user message: a turn is one, and everything up to the next."""
    return item.get("role") == "user"


def traits_of(item: Item) -> Traits:
    role, kind = item.get("role"), item.get("type")
    if isinstance(role, str) and role in _OF_ROLE:
        return _OF_ROLE[role]
    if kind is None or kind == "message":
        return _FROM_MODEL
    if kind == "reasoning":
        return _REASONING
    ids: tuple[str | None, ...] = counterpart_ids(item)
    kind = str(kind)
    family, is_answer, is_always_paired = _family(kind)
    if not ids and kind in _MAY_BE_ANONYMOUS:
        ids = (None,)
    keys = tuple([(family, one) for one in ids]) if ids or is_always_paired else None
    return Traits(
        False,  # noqa: FBT003 - by position: it is made for each call in a view
        False,  # noqa: FBT003
        not is_answer or keys is None,
        False,  # noqa: FBT003
        is_answer,
        kind == "program",
        keys,
        _program_of(item) if "caller" in item else None,
    )


@lru_cache(maxsize=256)
def _family(kind: str) -> tuple[str, bool, bool]:
    """What a call and its answer have in common; is it an answer; is it rejected alone."""
    is_answer = kind.endswith("_output") or kind == "mcp_approval_response"
    if kind in _APPROVAL_ID:
        return "approval", is_answer, True
    name = kind.removesuffix("_output").removesuffix("_call")
    return name, is_answer, kind in _ALWAYS_PAIRED


def counterpart_ids(item: Item) -> tuple[str, ...]:
    """The ids in ``item`` by which its counterpart is found in the log; empty if it has none.

    A call and its output share a ``call_id``. The API's own type of a local shell's output has no
    such field: its ``id`` is that of the call (``LocalShellCallOutput`` in openai's types).
    """
    kind, call_id = item.get("type"), item.get("call_id")
    if kind == "local_shell_call":
        return tuple(one for one in (call_id, item.get("id")) if isinstance(one, str))
    if isinstance(call_id, str):
        return (call_id,)
    if kind == "local_shell_call_output":
        call_id = item.get("id")
    elif isinstance(kind, str) and kind in _APPROVAL_ID:
        call_id = item.get(_APPROVAL_ID[kind])
    return (call_id,) if isinstance(call_id, str) else ()


def _program_of(item: Item) -> str | None:
    caller = item.get("caller")
    if not isinstance(caller, dict) or caller.get("type") != "program":
        return None
    return str(caller.get("caller_id"))
