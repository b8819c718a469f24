"""Kinds of items: one table says which are calls and outputs, and which fields pair them.

A call and its output belong to one family and share an id. Everything else in this file reads the
table.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable

    from .policy import Item


class Kind(NamedTuple):
    """A ``type`` of item that is a call, or the output of one."""

    family: str
    """The same for a call and its output."""
    is_output: bool
    id_fields: tuple[str, ...] = ("call_id",)
    """Fields that may hold the shared id. The first one that holds a str counts."""
    has_two_ids: bool = False
    """Every field in ``id_fields`` counts: the output may carry either id."""
    is_required: bool = False
    """An API rejects this item without its counterpart."""
    pairs_by_order: bool = False
    """Without an id, it is paired with the nearest item of its family."""


def _function_like(family: str) -> dict[str, Kind]:
    return {
        f"{family}_call": Kind(family, is_output=False, is_required=True),
        f"{family}_call_output": Kind(family, is_output=True, is_required=True),
    }


_APPROVAL = Kind("approval", is_output=False, is_required=True)
_LOCAL_SHELL = Kind("local_shell", is_output=False, is_required=True)
_PROGRAM = Kind("program", is_output=False, is_required=True)
_TOOL_SEARCH = Kind("tool_search", is_output=False, pairs_by_order=True)

_KINDS = {
    **_function_like("apply_patch"),
    **_function_like("computer"),
    **_function_like("custom_tool"),
    **_function_like("function"),
    **_function_like("shell"),
    # The API's own type of this output has no call_id: its id is that of the call
    # (LocalShellCallOutput in openai's types).
    "local_shell_call": _LOCAL_SHELL._replace(id_fields=("call_id", "id"), has_two_ids=True),
    "local_shell_call_output": _LOCAL_SHELL._replace(is_output=True, id_fields=("call_id", "id")),
    "mcp_approval_request": _APPROVAL._replace(id_fields=("call_id", "id")),
    "mcp_approval_response": _APPROVAL._replace(
        is_output=True, id_fields=("call_id", "approval_request_id")
    ),
    "program": _PROGRAM,
    "program_output": _PROGRAM._replace(is_output=True),
    # The Responses API pairs these in their order where they have no call_id.
    "tool_search_call": _TOOL_SEARCH,
    "tool_search_output": _TOOL_SEARCH._replace(is_output=True),
}
_INSTRUCTING_ROLES = ("user", "system", "developer")


class Traits(NamedTuple):
    """The properties of one item that decide where it may stand."""

    instructs: bool
    """A user, system or developer message."""
    starts_turn: bool
    """A user message."""
    from_model: bool
    """Written by a model: neither an instruction nor an output."""
    is_reasoning: bool = False
    is_output: bool = False
    """The output of a call, or the response to an approval request."""
    is_program: bool = False
    keys: tuple[Hashable, ...] | None = None
    """Shared with the counterpart of a call or an output. None: the item stands alone. Empty: the
    item needs a counterpart and has no id, so it is broken."""
    program: str | None = None
    """The call id of the program that issued this item."""


_USER = Traits(instructs=True, starts_turn=True, from_model=False)
_INSTRUCTION = Traits(instructs=True, starts_turn=False, from_model=False)
_FROM_MODEL = Traits(instructs=False, starts_turn=False, from_model=True)
_REASONING = _FROM_MODEL._replace(is_reasoning=True)


def starts_turn(item: Item) -> bool:
    """Whether ``item`` is a user message: it starts a turn, which lasts until the next one."""
    return item.get("role") == "user"


def traits_of(item: Item) -> Traits:
    role, type_ = item.get("role"), item.get("type")
    if role in _INSTRUCTING_ROLES:
        return _USER if role == "user" else _INSTRUCTION
    if type_ is None or type_ == "message":
        return _FROM_MODEL
    if type_ == "reasoning":
        return _REASONING
    kind = _kind(str(type_))
    ids: tuple[str | None, ...] = _ids(item, kind)
    if not ids and kind.pairs_by_order:
        ids = (None,)
    keys = tuple([(kind.family, one) for one in ids]) if ids or kind.is_required else None
    return Traits(
        False,  # noqa: FBT003 - by position: one is made for each call in a view
        False,  # noqa: FBT003
        not kind.is_output or keys is None,
        False,  # noqa: FBT003
        kind.is_output,
        type_ == "program",
        keys,
        _program_of(item) if "caller" in item else None,
    )


def counterpart_ids(item: Item) -> tuple[str, ...]:
    """The ids in ``item`` by which its counterpart is found in the log; empty if it has none."""
    return _ids(item, _kind(str(item.get("type"))))


def _ids(item: Item, kind: Kind) -> tuple[str, ...]:
    ids: tuple[str, ...] = ()
    for field in kind.id_fields:
        if isinstance(one := item.get(field), str):
            ids += (one,)
            if not kind.has_two_ids:
                break
    return ids


@lru_cache(maxsize=256)
def _kind(type_: str) -> Kind:
    """The kind of a ``type``. One that is not in the table is told by its ending.

    It needs a counterpart only if it has a call_id: a call that the provider answers itself, such
    as web_search_call, holds its own result.
    """
    family = type_.removesuffix("_output").removesuffix("_call")
    return _KINDS.get(type_) or Kind(family, is_output=type_.endswith("_output"))


def _program_of(item: Item) -> str | None:
    caller = item.get("caller")
    if not isinstance(caller, dict) or caller.get("type") != "program":
        return None
    return str(caller.get("caller_id"))
