"""The indexes of the collection, and what the deployment can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import OperationFailure

if TYPE_CHECKING:
    from datetime import timedelta

    from .drivers import AnyDriver

_BY_SESSION = [("session_id", ASCENDING), ("seq", DESCENDING)]
_RETENTION = "created_at_retention"
_INDEX_OPTIONS_CONFLICT = 85


async def create_indexes(database: AnyDriver, collection: str, retention: timedelta | None) -> None:
    """Create what is missing, and change the retention if it is another than before."""
    items = database.get_collection(collection)
    await items.create_indexes(
        [
            IndexModel(_BY_SESSION, name="session_seq", unique=True),
            IndexModel(
                _BY_SESSION,
                name="session_summary",
                partialFilterExpression={"summary": {"$exists": True}},
            ),
        ]
    )
    if retention is None:
        return
    seconds = int(retention.total_seconds())
    try:
        await items.create_indexes(
            [IndexModel([("created_at", ASCENDING)], name=_RETENTION, expireAfterSeconds=seconds)]
        )
    except OperationFailure as error:
        if error.code != _INDEX_OPTIONS_CONFLICT:
            raise
        change = {"name": _RETENTION, "expireAfterSeconds": seconds}
        await database.command("collMod", collection, index=change)


async def has_transactions(database: AnyDriver) -> bool:
    """Whether this is a replica set or a sharded cluster."""
    try:
        hello = await database.command("hello")
    except NotImplementedError:  # mongomock, which has neither
        return False
    return "setName" in hello or hello.get("msg") == "isdbgrid"
