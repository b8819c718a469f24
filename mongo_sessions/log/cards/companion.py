"""The second collection of a store: one small document a session, its ``_id`` the session's id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..server.primary import on_primary

if TYPE_CHECKING:
    from ..server.drivers import AnyDriver


def companion_name(collection: str) -> str:
    """The name of the second collection of the store whose items are in ``collection``."""
    return f"{collection}_cards"


def companion_of(database: AnyDriver, collection: str, read_concern: str = "majority") -> AnyDriver:
    """The second collection of the store whose items are in ``collection``."""
    return on_primary(database, companion_name(collection), read_concern)
