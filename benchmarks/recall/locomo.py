"""LoCoMo (Maharana et al. 2024): ten long conversations, and questions with labelled evidence.

The data set is CC BY-NC 4.0, and no part of this project: it is read from a path.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from .conversations import Conversation, Question, Turn

if TYPE_CHECKING:
    from pathlib import Path

_PLACE = re.compile(r"D(\d+):(\d+)")
_MOST_CATEGORY = 4
"""The fifth is of questions that the conversation does not answer."""


def read(path: Path) -> list[Conversation]:
    """The conversations, with the questions of categories 1 to 4 that have evidence."""
    return [_conversation(one) for one in json.loads(path.read_text(encoding="utf-8"))]


def _conversation(sample: dict[str, Any]) -> Conversation:
    told = sample["conversation"]
    turns: list[Turn] = []
    places: dict[tuple[int, int], int] = {}
    number = 1
    while f"session_{number}_date_time" in told:
        date = _date(told[f"session_{number}_date_time"])
        for said in told.get(f"session_{number}", []):
            role = "user" if said["speaker"] == told["speaker_a"] else "assistant"
            turns.append(Turn(role, f"{said['speaker']}: {said['text']}", date))
            places[_places(said["dia_id"])[0]] = len(turns)
        number += 1
    questions: list[Question] = []
    for asked in sample["qa"]:
        evidence = [
            places[place]
            for text in asked.get("evidence", [])
            for place in _places(text)
            if place in places
        ]
        if asked["category"] <= _MOST_CATEGORY and evidence:
            questions.append(Question(asked["question"], frozenset(evidence)))
    return Conversation(sample["sample_id"], turns, questions)


def _places(text: str) -> list[tuple[int, int]]:
    return [(int(session), int(turn)) for session, turn in _PLACE.findall(text)]


def _date(text: str) -> datetime:
    """Such as "1:56 pm on 8 May, 2023"."""
    return datetime.strptime(text, "%I:%M %p on %d %B, %Y").replace(tzinfo=timezone.utc)
