"""Collections as this package uses them, whatever the URI says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo import ReadPreference
from pymongo.read_concern import ReadConcern

from ..documents import STORED
from .transactions import MAJORITY

if TYPE_CHECKING:
    from .drivers import AnyDriver


def on_primary(database: AnyDriver, collection: str, read_concern: str = "majority") -> AnyDriver:
    """A collection that is read from the primary, and written to a majority.

    The SDK compares its reads with its writes, so reads go to the primary, and an acknowledged
    write must survive an election. Not with_options, which mongomock-motor does not support.
    """
    return database.get_collection(
        collection,
        codec_options=STORED,
        read_preference=ReadPreference.PRIMARY,
        write_concern=MAJORITY,
        read_concern=ReadConcern(read_concern),
    )
