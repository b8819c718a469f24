"""Settings that notice a limit. Imported where it is used: it imports the SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agents.memory import SessionSettings

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SessionSettings", "WatchedSettings"]


class WatchedSettings(SessionSettings):
    """Settings without a limit that tell when a run puts one on top (``RunConfig``)."""

    def __init__(self, on_limit: Callable[[int], None]) -> None:
        super().__init__()
        self._on_limit = on_limit

    def __eq__(self, other: object) -> bool:
        """As the SDK's own settings with the same values, which compare within one class."""
        return isinstance(other, SessionSettings) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # like those

    def resolve(self, override: SessionSettings | dict[str, Any] | None) -> SessionSettings:
        resolved = SessionSettings(**self.to_dict()).resolve(override)
        if resolved.limit is not None:
            self._on_limit(resolved.limit)
        return resolved
