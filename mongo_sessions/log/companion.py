"""The second collection of a store: one small document a session, its ``_id`` the session's id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo import ReadPreference
from pymongo.read_concern import ReadConcern

from .documents import STORED
from .transactions import MAJORITY

if TYPE_CHECKING:
    from .drivers import AnyDriver


def companion_name(collection: str) -> str:
    """The name of the second collection of the store whose items are in ``collection``."""
    return f"{collection}_cards"


def companion_of(database: AnyDriver, collection: str, read_concern: str = "majority") -> AnyDriver:
    """The second collection, with reads from the primary and writes to a majority."""
    return database.get_collection(
        companion_name(collection),
        codec_options=STORED,
        read_preference=ReadPreference.PRIMARY,
        write_concern=MAJORITY,
        read_concern=ReadConcern(read_concern),
    )
