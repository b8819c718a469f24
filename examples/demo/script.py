"""The script of the demo: the user tells facts, chats, and asks for the facts at the end."""

from __future__ import annotations

import random
from typing import NamedTuple

TOPICS = ("the invoice", "the delivery date", "a damaged parcel", "the discount", "the address")
WORDS = ("we", "have", "looked", "into", "it", "and", "the", "carrier", "confirmed", "that", "soon")


class Fact(NamedTuple):
    opening: str
    """The beginning of the sentence that tells it."""
    told: str
    """The rest of that sentence, which only the history contains."""
    question: str


FACTS = (
    Fact("Please remember: my name is", "Ann Moreau", "What is my name?"),
    Fact("My booking code is", "QX-4711", "What is my booking code?"),
    Fact("I am allergic to", "peanuts", "What am I allergic to?"),
    Fact("Always answer in", "metric units", "In which units do you answer?"),
    Fact("My parcels may be signed for by", "Mr Okafor", "Who signs for parcels?"),
    Fact("Never call me before", "11 o'clock", "How early may I be called?"),
    Fact("My customer number is", "80215", "What is my customer number?"),
    Fact("Our warehouse is in", "Rue des Lilas", "Where is the warehouse?"),
)


class Turn(NamedTuple):
    says: str
    """The text of the user."""
    answer: str = "Noted, thank you."
    """The answer of the assistant, unless a fact is asked for."""
    looks_up: int | None = None
    """The order that the assistant looks up with its tool first."""
    asks_for: str | None = None
    """The ``opening`` of the fact that the user asks for."""


def script(turns: int) -> list[Turn]:
    """Each fact and an ordinary turn, then ``turns`` ordinary ones, then a question for each fact.

    Equal arguments give equal scripts: every session has the same conversation.
    """
    dice = random.Random(7)
    ordinary = [_ordinary_turn(number, dice) for number in range(1, len(FACTS) + turns + 1)]
    opening = [Turn(f"{fact.opening} {fact.told}.") for fact in FACTS]
    told = [turn for both in zip(opening, ordinary, strict=False) for turn in both]
    questions = [Turn(fact.question, asks_for=fact.opening) for fact in FACTS]
    return [*told, *ordinary[len(FACTS) :], *questions]


def _ordinary_turn(number: int, dice: random.Random) -> Turn:
    topic, order = dice.choice(TOPICS), dice.randrange(1_000, 9_999)
    answer = " ".join(dice.choices(WORDS, k=dice.randrange(40, 160)))
    return Turn(
        f"Matter {number}: what about {topic} of order {order}? " + "Please be thorough. " * 5,
        f"About {topic}: {answer}.",
        looks_up=order if number % 3 == 0 else None,
    )
