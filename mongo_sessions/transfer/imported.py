"""What an import has done."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import has done: the result, or so far."""

    sessions: int = 0
    """Sessions that are stored whole, also if all their items were stored before."""
    items: int = 0
    """Items that this import has stored."""
    skipped: int = 0
    """Items that were stored before, and are the same."""
