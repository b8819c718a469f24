"""A conversation with questions, each of which has its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mongo_sessions import Item


class Turn(NamedTuple):
    """One message."""

    role: str
    text: str
    date: datetime

    @property
    def item(self) -> Item:
        return {"role": self.role, "content": self.text}


class Question(NamedTuple):
    """A question about the conversation."""

    text: str
    evidence: frozenset[int]
    """The places of the messages that answer it: 1, 2, 3, …"""
    older: int | None = None
    """The place of an older value, which a correction has replaced."""


@dataclass(frozen=True)
class Conversation:
    """Messages, oldest first, and questions that are asked behind the last one."""

    name: str
    turns: Sequence[Turn]
    questions: Sequence[Question]


def joined(conversations: Sequence[Conversation]) -> Conversation:
    """All of them in one session, one behind the other."""
    turns: list[Turn] = []
    questions: list[Question] = []
    for one in conversations:
        before = len(turns)
        questions += [
            question._replace(evidence=frozenset(before + place for place in question.evidence))
            for question in one.questions
        ]
        turns += one.turns
    return Conversation("all in one", turns, questions)
