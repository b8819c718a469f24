"""A conversation by rule: dated facts, corrections, distractors, and questions in other words.

The same seed gives the same conversation.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from .conversations import Conversation, Question, Turn

_SEED = 2026
_START = datetime(2026, 1, 5, 9, tzinfo=timezone.utc)
_FULL, _QUICK = (120, 900), (10, 40)
_CORRECTED = 0.3
_NAMES = (
    *("Amina", "Bruno", "Chidi", "Dagmar", "Elif", "Farouk", "Greta", "Hana", "Ivo", "Jelena"),
    *("Kenji", "Leila", "Mateo", "Nadia", "Oskar", "Priya", "Quentin", "Rosa", "Sven", "Tamar"),
)


class _Kind(NamedTuple):
    """A kind of fact: how it is told, corrected, and asked for in other words."""

    told: str
    corrected: str
    asked: str
    values: tuple[str, ...]


_KINDS = (
    _Kind(
        "{name} moved to {value} and rents a flat there.",
        "{name} lives in {value} now, not where we wrote before.",
        "Where did {name} move to?",
        ("Lisbon", "Tromsø", "Kyoto", "Quito", "Tallinn", "Accra", "Cork", "Izmir"),
    ),
    _Kind(
        "The order of {name} has the number {value}; please keep it.",
        "The order of {name} was replaced: it has the number {value} now.",
        "What is the number of {name}'s orders?",
        tuple(f"QX-{number}" for number in range(4_711, 4_791)),
    ),
    _Kind(
        "{name} is allergic to {value}.",
        "We were wrong: {name} is allergic to {value}, the doctor says.",
        "Which allergies does {name} have?",
        ("peanuts", "penicillin", "latex", "shellfish", "pollen", "sesame"),
    ),
    _Kind(
        "{name} pays {value} euros a month for the contract.",
        "The contract of {name} costs {value} euros a month from now on.",
        "How much are {name}'s monthly contract payments?",
        tuple(str(number) for number in range(210, 990, 13)),
    ),
    _Kind(
        "The workshop of {name} begins on {value}.",
        "The workshop of {name} was put off: it begins on {value}.",
        "When do {name}'s workshops begin?",
        tuple(f"{day} June" for day in range(1, 29)),
    ),
    _Kind(
        "{name} wants the reports as {value}.",
        "{name} has changed the mind about reports: {value} from now on.",
        "In which format should a report for {name} be?",
        ("a spreadsheet", "a PDF", "plain text", "slides", "a printed letter"),
    ),
)
_DISTRACTORS = (
    "I spoke to {name} about the weather and the trains today, and it took an hour.",
    "Can you tell me how long parcels take at the moment? {name} asked about it.",
    "The meeting went well. We talked about the budget, the order of the agenda, and lunch.",
    "Please explain how a contract is cancelled, in general and in simple words.",
    "Thanks, that helps. I will move on to the next matter and write again tomorrow.",
    "Somebody in the office said that workshops in June are always full.",
    "What do you think about the report that was in the news, and about its numbers?",
)
_ANSWERS = (
    "Noted, thank you.",
    "I see. It depends on the carrier and on the day; most of them take three to five days.",
    "In general there is a period of notice, and it is given in the terms of the agreement.",
    "Understood. Tell me if anything changes, and I will take care of it.",
)


def conversation(*, quick: bool = False) -> Conversation:
    """Facts in the first part, about a third of them corrected later, among distractors."""
    dice = random.Random(_SEED)
    facts, distractors = _QUICK if quick else _FULL
    subjects = [(kind, name) for kind in _KINDS for name in _NAMES]
    dice.shuffle(subjects)
    told: list[tuple[int, str, int]] = []  # of each fact: which, and whether it is the correction
    for number, (kind, name) in enumerate(subjects[:facts]):
        first, second = dice.sample(kind.values, 2)
        told.append((0, kind.told.format(name=name, value=first), number))
        if dice.random() < _CORRECTED:
            told.append((1, kind.corrected.format(name=name, value=second), number))
    messages = [(dice.random() + later, text, number) for later, text, number in told]
    for _ in range(distractors):
        text = dice.choice(_DISTRACTORS).format(name=dice.choice(_NAMES))
        messages.append((4 * dice.random(), text, -1))
    turns: list[Turn] = []
    places: dict[int, list[int]] = {}
    date = _START
    for _, text, number in sorted(messages):
        date += timedelta(hours=dice.randrange(1, 12))
        turns.append(Turn("user", text, date))
        if number >= 0:
            places.setdefault(number, []).append(len(turns))
        turns.append(Turn("assistant", dice.choice(_ANSWERS), date))
    questions = [
        Question(
            subjects[number][0].asked.format(name=subjects[number][1]),
            frozenset(found[-1:]),
            found[0] if len(found) > 1 else None,
        )
        for number, found in sorted(places.items())
    ]
    return Conversation("generated", turns, questions)
