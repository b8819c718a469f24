"""Cuts: the positions at which a window may start, and how good each is."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from .items import traits_of

if TYPE_CHECKING:
    from .items import Traits
    from .policy import Item


class CutKind(IntEnum):
    """What a window would start with, the best first."""

    TURN = 0
    """A user message."""
    RESPONSE = 1
    """A system or developer message, or the first item of a model response."""
    ITEM = 2
    """Any other item that no reasoning led to and that lies outside of every call and its output.

    Without these, a run of items that a model wrote could not be cut at all.
    """
    SPLIT = 3
    """An item between a call and its output, or one that reasoning further ahead led to.

    A window that starts here brings the call along: see :meth:`Structure.brought_along`.
    """


class Cut(NamedTuple):
    """A position at which a window may start."""

    position: int
    kind: CutKind

    @property
    def starts_turn(self) -> bool:
        return self.kind is CutKind.TURN


def may_start(item: Item, previous: Item | None) -> bool:
    """Whether a window may start with ``item``, as far as it and the item before it tell.

    ``previous`` is the item in front of it; None says that there is none.
    """
    return cut_kind(item, previous) is not None


def cut_kind(item: Item, previous: Item | None) -> CutKind | None:
    """The kind of cut in front of ``item``, as far as it and the item before it tell."""
    return kind_between(
        traits_of(item), traits_of(previous) if previous is not None else None, is_led=False
    )


def kind_between(item: Traits, previous: Traits | None, *, is_led: bool) -> CutKind | None:
    """The kind of cut in front of ``item``, if pairs are left out of account.

    ``is_led`` says that a reasoning item stands further ahead in the same run of model items.
    """
    if item.starts_turn:
        return CutKind.TURN
    if previous is None or item.instructs:
        return CutKind.RESPONSE
    if not item.from_model:
        # Behind neither a call nor another output: its call is further away.
        is_late = previous.keys is None and not previous.is_reasoning
        return CutKind.SPLIT if is_late else None
    if previous.from_model:
        return _kind_inside(item, previous, is_led=is_led)
    return CutKind.RESPONSE


def _kind_inside(item: Traits, previous: Traits, *, is_led: bool) -> CutKind | None:
    """The same for an item in a run of model items that is not its first."""
    if previous.is_reasoning:
        return None
    return CutKind.ITEM if item.is_reasoning or not is_led else CutKind.SPLIT
