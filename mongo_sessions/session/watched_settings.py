"""Settings that report a limit. Imported inside functions only, as it imports the SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agents.memory import SessionSettings

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SessionSettings", "WatchedSettings"]


class WatchedSettings(SessionSettings):
    """Settings without a limit. They report the limit that a ``RunConfig`` adds."""

    def __init__(self, on_limit: Callable[[int], None]) -> None:
        super().__init__()
        self._on_limit = on_limit

    def __eq__(self, other: object) -> bool:
        """Compare by value, as the SDK's settings do, but across the two classes."""
        return isinstance(other, SessionSettings) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # like the SDK's settings

    def resolve(self, override: SessionSettings | dict[str, Any] | None) -> SessionSettings:
        resolved = SessionSettings(**self.to_dict()).resolve(override)
        if resolved.limit is not None:
            self._on_limit(resolved.limit)
        return resolved
