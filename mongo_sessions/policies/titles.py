"""The seam for the title of a session, which a policy may write."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class HasTitle(Protocol):
    """A history whose session can be given a title, for a list of sessions."""

    async def wants_title(self) -> bool:
        """Whether a title could be saved now."""

    async def save_title(self, title: str, /) -> bool:
        """Save it, unless there is a title by now; return whether it is saved."""
