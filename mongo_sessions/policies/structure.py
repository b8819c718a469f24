"""The structure of a history: where it may be cut, and what of it a model accepts.

The Responses API rejects an output without its call, a call without its output, and reasoning
without the item that it led to. Nothing here looks at a database or at tokens: items in, positions
or items out. Every policy cuts through this file and nowhere else. Everything takes time in
proportion to the number of items, whatever these are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from .cuts import Cut, CutKind, kind_between
from .items import traits_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from .items import Traits
    from .policy import Item

LONGEST_RESPONSE = 64
"""Items of one model response that are kept together, and brought along with a call of it."""


def allowed_cuts(items: Sequence[Item], before: Item | None) -> list[Cut]:
    """Positions in ``items`` at which a window may start, in order.

    A cut is safe before any item that answers no call, is not preceded by its reasoning and does
    not lie between a call and its output. ``before`` is the item in front of ``items``: None says
    that ``items`` is the whole history, and a window may always start at its beginning.
    """
    return [cut for cut in Structure(items).cuts(before) if cut.kind is not CutKind.SPLIT]


def drop_unpaired(items: Sequence[Item]) -> list[Item]:
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
        answered = set(self._answers.values())
        self._orphans = [
            index
            for index, item in enumerate(self._traits)
            if item.is_output and item.keys and index not in answered
        ]

    def cuts(self, before: Item | None) -> Iterator[Cut]:
        """:func:`allowed_cuts`, and the positions from which a window must bring calls along.

        One after the other as they are asked for: a window usually starts at one of the first.
        """
        cut_off = self._cut_off()
        answered_at = -1
        place_in_response = 0
        previous = None if before is None else traits_of(before)
        is_led = previous is not None and previous.is_reasoning
        for index, item in enumerate(self._traits):
            is_inside = previous is not None and previous.from_model and item.from_model
            place_in_response = place_in_response + 1 if is_inside else 0
            is_led = is_led and is_inside
            kind = kind_between(item, previous, is_led=is_led)
            if kind is not None and (index <= answered_at or (is_inside and index in cut_off)):
                kind = CutKind.SPLIT
            # A response is not split, unless it is so long that this bounds a view.
            is_response = kind is CutKind.SPLIT and 0 < place_in_response < LONGEST_RESPONSE
            if kind is not None and not is_response:
                yield Cut(index, kind)
            if index in self._answers:
                answered_at = max(answered_at, self._answers[index])
            is_led = is_led or item.is_reasoning
            previous = item

    def _cut_off(self) -> set[int]:
        """The model items whose response probably began before the items.

        Behind them are outputs without a call.
        """
        found: set[int] = set()
        orphans = set(self._orphans)
        is_cut_off = False
        for index in reversed(range(len(self._traits) if orphans else 0)):
            item = self._traits[index]
            if item.from_model:
                found |= {index} if is_cut_off else set()
            elif index + 1 < len(self._traits) and self._traits[index + 1].from_model:
                is_cut_off = index in orphans  # the last output of an earlier response
            else:
                is_cut_off = not item.instructs and (is_cut_off or index in orphans)
        return found

    def without_call(self, position: int = 0) -> list[int]:
        """The indices from ``position`` on of outputs whose call is not among the items."""
        return [index for index in self._orphans if index >= position]

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
        """Whether each item is valid: see :func:`drop_unpaired`."""
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
            if not item.is_output:
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
