"""Cuts: the positions at which a window may start, ranked by kind."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from .items import traits_of

if TYPE_CHECKING:
    from .items import Traits
    from .policy import Item


class CutKind(IntEnum):
    """The first item of a window that starts at the cut, best kind first."""

    TURN = 0
    """A user message."""
    RESPONSE = 1
    """A system or developer message, or the first item of a model response."""
    ITEM = 2
    """Any other item that no reasoning led to and that is not between a call and its output.

    Without this kind, a long run of model items could not be cut.
    """
    SPLIT = 3
    """An item between a call and its output, or one that earlier reasoning led to.

    A window that starts here needs the call, too: see :meth:`Structure.brought_along`.
    """


class Cut(NamedTuple):
    """A position at which a window may start."""

    position: int
    kind: CutKind

    @property
    def starts_turn(self) -> bool:
        return self.kind is CutKind.TURN


def may_start(item: Item, previous: Item | None) -> bool:
    """Whether a window may start with ``item``, judged by it and the item before it.

    ``previous`` is None for the first item of a history.
    """
    return cut_kind(item, previous) is not None


def cut_kind(item: Item, previous: Item | None) -> CutKind | None:
    """The kind of cut in front of ``item``, judged as in :func:`may_start`; None for no cut."""
    return kind_between(
        traits_of(item), traits_of(previous) if previous is not None else None, is_led=False
    )


def kind_between(item: Traits, previous: Traits | None, *, is_led: bool) -> CutKind | None:
    """The kind of cut in front of ``item``, without regard to pairs; None for no cut.

    ``is_led``: a reasoning item precedes ``item`` in the same run of model items.
    """
    if item.starts_turn:
        return CutKind.TURN
    if previous is None or item.instructs:
        return CutKind.RESPONSE
    if not item.from_model:
        # An output that follows neither a call nor another output belongs to an earlier call.
        is_late = previous.keys is None and not previous.is_reasoning
        return CutKind.SPLIT if is_late else None
    if previous.from_model:
        return _kind_inside(item, previous, is_led=is_led)
    return CutKind.RESPONSE


def _kind_inside(item: Traits, previous: Traits, *, is_led: bool) -> CutKind | None:
    """The same for an item in a run of model items, except the first of the run."""
    if previous.is_reasoning:
        return None
    return CutKind.ITEM if item.is_reasoning or not is_led else CutKind.SPLIT
