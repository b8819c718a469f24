"""The rows of an explanation, which are drawn as plain text or by rich."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime

BLOCKS = {"summary": "▓", "verbatim": "█", "trimmed": "▒", "added": "░", "free": "·"}
"""The character that stands for each part of a bar."""


@dataclass(frozen=True, slots=True)
class Title:
    """The first line."""

    text: str
    rest: str


@dataclass(frozen=True, slots=True)
class Bar:
    """Tokens of each part that is named in :data:`BLOCKS`."""

    parts: tuple[tuple[str, int], ...]
    text: str


@dataclass(frozen=True, slots=True)
class Numbers:
    """A part with its items and tokens. A part without ``block`` is a sum, or is not shown."""

    label: str
    items: int
    tokens: int
    note: str = ""
    block: str | None = None
    is_sum: bool = False


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text with a label in front of it."""

    label: str
    text: str
    is_part: bool = False
    """Whether it continues the row above."""


Row: TypeAlias = "Title | Bar | Numbers | Sentence | None"
"""None is an empty line."""


def plural(word: str, number: int) -> str:
    return word if number == 1 else f"{word}s"


def percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def date(at: datetime, *, seconds: bool = False) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if seconds else f"{at:%Y-%m-%d %H:%M} UTC"
