"""Which items of a conversation belong together: call and output, question and answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..items import counterpart_ids, starts_turn, traits_of
from ..structure import pairs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..policy import Item


class Shape(NamedTuple):
    """An item and its place; of the item, what its structure needs is enough."""

    seq: int
    turn: int
    item: Item


class Group(NamedTuple):
    """A found item, and what belongs to it."""

    seq: int
    """Of the found item."""
    members: frozenset[int]
    """The places of the group, including ``seq``."""


class Groups:
    """The groups among some items, which need not be consecutive."""

    def __init__(self, shapes: Iterable[Shape]) -> None:
        self._shapes = sorted(shapes, key=lambda shape: shape.seq)
        self._index = {shape.seq: index for index, shape in enumerate(self._shapes)}
        pairs = pairs_of([shape.item for shape in self._shapes])
        self._partners = pairs | {output: call for call, output in pairs.items()}

    def of(self, seq: int) -> Group:
        """The group of the item at ``seq``: alone, if its other members are not known."""
        index = self._index[seq]
        candidates = (self._partners.get(index), self._question(index), self._answer(index))
        members = {index, *(one for one in candidates if one is not None)}
        return Group(seq, frozenset(self._shapes[member].seq for member in members))

    def merged(self, seqs: Sequence[int], limit: int) -> list[Group]:
        """The groups of the first of ``seqs``, until there are ``limit``.

        A group with a member of an earlier one is a part of that one.
        """
        groups: list[Group] = []
        owners: dict[int, int] = {}
        for seq in seqs:
            if seq not in self._index:
                continue
            group = self.of(seq)
            known = [owners[member] for member in group.members if member in owners]
            if not known and len(groups) == limit:
                break
            place = min(known, default=len(groups))
            if known:
                first = groups[place]
                groups[place] = Group(first.seq, first.members | group.members)
            else:
                groups.append(group)
            for member in group.members:
                owners.setdefault(member, place)
        return groups

    def around(self, seq: int, number: int) -> list[int]:
        """The places of the ``number`` items before and behind ``seq``."""
        index = self._index[seq]
        near = self._shapes[max(0, index - number) : index + number + 1]
        return [shape.seq for shape in near]

    def lacking_counterpart(self, groups: Iterable[Group]) -> list[str]:
        """The ids by which the missing calls and outputs of ``groups`` can be found."""
        members = [self._index[seq] for group in groups for seq in group.members]
        return [
            one
            for index in members
            if index not in self._partners and traits_of(self._shapes[index].item).keys
            for one in counterpart_ids(self._shapes[index].item)
        ]

    def lacking_question(self, groups: Iterable[Group]) -> dict[int, int]:
        """The answers of ``groups`` whose question is not known: turn by place."""
        members = [self._index[seq] for group in groups for seq in group.members]
        return {
            self._shapes[index].seq: self._shapes[index].turn
            for index in members
            if self._is_answer(index) and self._question(index) is None
        }

    def _is_answer(self, index: int) -> bool:
        traits = traits_of(self._shapes[index].item)
        return traits.from_model and traits.keys is None

    def _question(self, index: int) -> int | None:
        """The user message that the turn of an answer begins with."""
        if not self._is_answer(index):
            return None
        turn = self._shapes[index].turn
        while index and self._shapes[index - 1].turn == turn:
            index -= 1
            if starts_turn(self._shapes[index].item):
                return index
        return None

    def _answer(self, index: int) -> int | None:
        """The last message of the model in the turn that a user message begins."""
        first = self._shapes[index]
        if not starts_turn(first.item):
            return None
        answer = None
        for later in range(index + 1, len(self._shapes)):
            shape = self._shapes[later]
            if shape.turn != first.turn:
                break
            if shape.item.get("role") == "assistant":
                answer = later
        return answer
