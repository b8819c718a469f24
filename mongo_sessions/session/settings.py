"""The SDK's settings of a session. The SDK is imported only if there are any, or it reads them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from ..policies.names import name_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from agents.memory import SessionSettings

    from ..connection.connections import Connections
    from ..policies import RetrievalPolicy

GivenSettings: TypeAlias = "SessionSettings | dict[str, Any] | None"


class HasSettings:
    """The attribute ``session_settings`` that the SDK reads on a session."""

    session_id: str
    policy: RetrievalPolicy | None
    _connections: Connections
    _settings: SessionSettings | None

    def _sdk_settings(self) -> SessionSettings:
        on_limit = partial(self._connections.state.bypasses.by_limit, self.session_id)
        self._settings = for_the_sdk(self._settings, None if self.policy is None else on_limit)
        return self._settings

    def _set_settings(self, given: GivenSettings) -> None:
        self._settings = checked(given, self.policy)

    # The SDK's protocol declares an attribute, and Pyright does not accept a property for one.
    session_settings: SessionSettings | None = cast("Any", property(_sdk_settings, _set_settings))


def checked(given: GivenSettings, policy: RetrievalPolicy | None) -> SessionSettings | None:
    """Return ``given`` as settings; None for None.

    Raises:
        TypeError: it is neither settings nor a dict, or a dict with a key that the SDK lacks.
        ValueError: it has a limit, and there is a policy.
    """
    if given is None:
        return None
    from agents.memory.session_settings import coerce_session_settings  # noqa: PLC0415

    settings = coerce_session_settings(given)
    if settings.limit is not None and policy is not None:
        raise ValueError(
            f"session_settings.limit={settings.limit} and a policy ({name_of(policy)}) exclude "
            "each other: with a limit, the SDK asks for the newest items as they are, and the "
            "policy would never be asked"
        )
    return settings


def for_the_sdk(
    settings: SessionSettings | None, on_limit: Callable[[int], None] | None
) -> SessionSettings:
    """The settings for the SDK to read, never None.

    ``on_limit`` is called when a run overrides their limit; None if that needs no warning.
    """
    from .watched_settings import SessionSettings, WatchedSettings  # noqa: PLC0415

    settings = settings or SessionSettings()
    # A subclass of the application may have more fields: it stays as it is.
    if on_limit is None or type(settings) is not SessionSettings:
        return settings
    return WatchedSettings(on_limit)
