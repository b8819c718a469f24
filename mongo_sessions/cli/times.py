"""Dates in the output: UTC."""

from __future__ import annotations

from datetime import timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


def date(at: datetime | None) -> str:
    """For a person, to the minute."""
    return "" if at is None else f"{at:%Y-%m-%d %H:%M}"


def iso(at: datetime | None) -> str | None:
    """For a program: ISO 8601 in UTC, to the millisecond."""
    if at is None:
        return None
    return at.astimezone(timezone.utc).isoformat(timespec="milliseconds")


def ago(seconds: float) -> str:
    """How long ago, in the largest unit."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"
