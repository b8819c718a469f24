"""The structure of a list of items: where it may be cut, and which items an API accepts.

The Responses API rejects an output without its call, a call without its output, and reasoning
without the item that it led to. Every policy cuts histories with this module alone. It takes items
and returns positions or items; tokens play no role. Every function takes time linear in the number
of items.
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
"""The most items of one model response that are kept together."""


def allowed_cuts(items: Sequence[Item], before: Item | None) -> list[Cut]:
    """Positions in ``items`` at which a window may start, in order.

    A cut is safe before an item that is no output, does not follow its reasoning and does not lie
    between a call and its output. ``before`` is the item in front of ``items``; None if ``items``
    is the whole history, whose beginning is always a safe cut.
    """
    return [cut for cut in Structure(items).cuts(before) if cut.kind is not CutKind.SPLIT]


def drop_unpaired(items: Sequence[Item]) -> list[Item]:
    """The ``items`` that an API accepts, in order.

    Dropped are outputs without their call, calls without their output (an open approval, a crashed
    run), calls of a program that is dropped, and reasoning without the item that it led to. A
    complete history that was cut at an allowed position is returned unchanged.
    """
    kept = Structure(items).kept()
    return [item for item, is_kept in zip(items, kept, strict=True) if is_kept]


def pairs_of(items: Sequence[Item]) -> dict[int, int]:
    """The index of each answered call in ``items``, with the index of its output."""
    return _pairs([traits_of(item) for item in items])


class Structure:
    """The pairs and responses in a list of items, looked up once."""

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
        """The cuts of :func:`allowed_cuts`, and the cuts that need earlier calls brought along.

        Lazy: a window usually starts at one of the first cuts.
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
            # A response is split only if it is too long to be kept together within a budget.
            is_response = kind is CutKind.SPLIT and 0 < place_in_response < LONGEST_RESPONSE
            if kind is not None and not is_response:
                yield Cut(index, kind)
            if index in self._answers:
                answered_at = max(answered_at, self._answers[index])
            is_led = is_led or item.is_reasoning
            previous = item

    def _cut_off(self) -> set[int]:
        """Indices of model items whose response probably began before the list.

        Outputs without a call follow them.
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
        """Indices, from ``position`` on, of outputs whose call is not in the list."""
        return [index for index in self._orphans if index >= position]

    def open_calls(self) -> list[int]:
        """Indices of the calls without output at the end of the list, and of their reasoning.

        They stand in the newest model response, behind every message that instructs the model: so
        their output may still come.
        """
        starts = _response_starts(self._traits)
        found: set[int] = set()
        for index in range(self._newest_response(), len(self._traits)):
            item = self._traits[index]
            if item.keys and not item.is_output and index not in self._answers:
                led = range(starts[index], index)
                found |= {index, *(one for one in led if self._traits[one].is_reasoning)}
        return sorted(found)

    def _newest_response(self) -> int:
        """Where the newest model response begins; behind the list, if a message follows it."""
        start = len(self._traits)
        for index in reversed(range(start)):
            item = self._traits[index]
            if item.instructs or (start < len(self._traits) and not item.from_model):
                break
            start = index if item.from_model else start
        return start

    def brought_along(self, position: int) -> list[int]:
        """Indices before ``position`` of the items that a window starting there needs.

        These are the calls of its outputs, each with the reasoning that led to it, and with the
        earlier calls that the same reasoning led to.
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
        """Whether each item needs no counterpart or has it, and its program is complete."""
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

    An output belongs to the newest earlier call with its id that has no output yet: some providers
    reuse an id in a later response.
    """
    waiting: defaultdict[Hashable, list[int]] = defaultdict(list)
    answers: dict[int, int] = {}
    for index, item in enumerate(traits):
        for key in item.keys or ():
            calls = waiting[key]
            if not item.is_output:
                calls.append(index)
                continue
            # A local shell's call waits under two keys; its output may have come under the other.
            while calls and calls[-1] in answers:
                calls.pop()
            if calls:
                answers[calls.pop()] = index
                break
    return answers


def _response_starts(traits: Sequence[Traits]) -> list[int]:
    """For each item, the index of the reasoning that led to it; without one, its own index."""
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
