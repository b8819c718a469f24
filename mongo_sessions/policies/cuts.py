"""Where a history may be cut, and what of it a model accepts.

The Responses API rejects an output without its call, a call without its output, and reasoning
without the item that it led to. Nothing here looks at a database or at tokens: items in, positions
or items out. Every policy cuts through these functions and nowhere else. Each of them takes time in
proportion to the number of items, whatever these are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from .items import traits_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from .items import Traits
    from .policy import Item

# How much of a response is brought along with a call of it.
LONGEST_RESPONSE = 64


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

    A window that starts here brings the call along: see :func:`brought_along`.
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
    return _kind(traits_of(item), traits_of(previous) if previous else None, is_led=False)


def allowed_cuts(items: Sequence[Item], before: Item | None) -> list[Cut]:
    """Positions in ``items`` at which a window may start, in order.

    A cut is safe before any item that answers no call, is not preceded by its reasoning and does
    not lie between a call and its output. ``before`` is the item in front of ``items``: None says
    that ``items`` is the whole history, and a window may always start at its beginning.
    """
    return [cut for cut in Structure(items).cuts(before) if cut.kind is not CutKind.SPLIT]


def valid(items: Sequence[Item]) -> list[Item]:
    """``items`` without what an API rejects.

    Left out are outputs without their call, calls without their output (an approval that is still
    open, a run that crashed), what a program called that is left out itself, and reasoning whose
    follower is not there. A history that was never broken and was cut at an allowed position comes
    back as it is.
    """
    kept = Structure(items).kept()
    return [item for item, is_kept in zip(items, kept, strict=True) if is_kept]


class Structure:
    """What belongs together in a list of items, looked up once."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = items
        self._traits = list(map(traits_of, items))
        self._answers = _pairs(self._traits)

    def cuts(self, before: Item | None) -> list[Cut]:
        """:func:`allowed_cuts`, and the positions from which a window must bring calls along."""
        cuts = []
        answered_at = -1
        previous = None if before is None else traits_of(before)
        is_led = previous is not None and previous.is_reasoning
        for index, item in enumerate(self._traits):
            is_led = is_led and item.from_model
            kind = _kind(item, previous, is_led=is_led)
            if kind is not None:
                cuts.append(Cut(index, CutKind.SPLIT if index <= answered_at else kind))
            if index in self._answers:
                answered_at = max(answered_at, self._answers[index])
            is_led = is_led or item.is_reasoning
            previous = item
        return cuts

    def without_call(self, position: int = 0) -> list[int]:
        """The indices from ``position`` on of outputs whose call is not among the items."""
        answered = set(self._answers.values())
        return [
            index
            for index, item in enumerate(self._traits)
            if item.is_answer and item.keys and index >= position and index not in answered
        ]

    def brought_along(self, position: int) -> list[int]:
        """The indices before ``position`` of what a window that starts there cannot do without.

        These are the calls of its outputs, each with the reasoning that led to it, and with the
        calls that the same reasoning led to before it.
        """
        crossing = [call for call, out in self._answers.items() if call < position <= out]
        if not crossing:
            return []
        starts = _response_starts(self._traits[:position])
        needed: set[int] = set()
        for call in crossing:
            if call not in needed:
                for index in range(starts[call], call + 1):
                    needed |= {index, self._answers.get(index, index)}
        return sorted(index for index in needed if index < position)

    def kept(self) -> list[bool]:
        """Whether each item is valid: see :func:`valid`."""
        kept = self._complete_pairs()
        follower_kept = False
        for index in reversed(range(len(kept))):
            if self._traits[index].is_reasoning:
                kept[index] = follower_kept
            else:
                follower_kept = kept[index] and self._traits[index].from_model
        return kept

    def _complete_pairs(self) -> list[bool]:
        """Whether each item stands alone or has its counterpart, and its program is complete."""
        answers, traits = self._answers, self._traits
        counterparts = answers | {output: call for call, output in answers.items()}
        finished = Counter(self._call_id(call) for call in answers if traits[call].is_program)
        issued: defaultdict[str, list[int]] = defaultdict(list)
        for index, item in enumerate(traits):
            if item.program is not None:
                issued[item.program].append(index)
        broken = [
            index
            for index, item in enumerate(traits)
            if (item.keys is not None and index not in counterparts)
            or (item.program is not None and not finished[item.program])
        ]
        kept = [True] * len(traits)
        while broken:
            index = broken.pop()
            if not kept[index]:
                continue
            kept[index] = False
            if index in counterparts:
                broken.append(counterparts[index])
            if index in answers and traits[index].is_program:
                program = self._call_id(index)
                finished[program] -= 1
                broken += issued[program] if not finished[program] else []
        return kept

    def _call_id(self, index: int) -> str:
        return str(self._items[index]["call_id"])


def _kind(item: Traits, previous: Traits | None, *, is_led: bool) -> CutKind | None:
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


def _pairs(traits: Sequence[Traits]) -> dict[int, int]:
    """The index of each answered call, with the index of its output.

    An output belongs to the newest call before it that has its id and is still unanswered:
    some providers use an id again in a later response.
    """
    waiting: defaultdict[Hashable, list[int]] = defaultdict(list)
    answers: dict[int, int] = {}
    for index, item in enumerate(traits):
        for key in item.keys or ():
            calls = waiting[key]
            if not item.is_answer:
                calls.append(index)
                continue
            # A local shell's call waits under two keys, and may be answered under the other one.
            while calls and calls[-1] in answers:
                calls.pop()
            if calls:
                answers[calls.pop()] = index
                break
    return answers


def _response_starts(traits: Sequence[Traits]) -> list[int]:
    """For each item, the index of the reasoning that led to it; its own index if none did."""
    starts: list[int] = []
    reasoning: int | None = None
    for index, item in enumerate(traits):
        if not item.from_model:
            reasoning = None
        elif item.is_reasoning and not (index and traits[index - 1].is_reasoning):
            reasoning = index
        is_near = reasoning is not None and index - reasoning < LONGEST_RESPONSE
        starts.append(reasoning if reasoning is not None and is_near else index)
    return starts
