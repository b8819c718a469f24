"""How much of everything: for a run whose figures count, and for a smoke run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    sizes: tuple[int, ...]
    """Lengths of the sessions that are read, the shortest first."""
    sessions_at_once: int
    written_by_each: int
    """Batches, where many write to one session."""
    stored_sessions: int
    """Of 100 items, to see how many bytes they take."""
    open_sessions: int
    """To see how much memory they take."""
    imports: int
    """Processes that are started to be timed."""


FULL = Scale(
    sizes=(100, 10_000, 100_000),
    sessions_at_once=200,
    written_by_each=10,
    stored_sessions=20,
    open_sessions=500,
    imports=9,
)
QUICK = Scale(
    sizes=(100, 2_000),
    sessions_at_once=10,
    written_by_each=1,
    stored_sessions=1,
    open_sessions=20,
    imports=2,
)
