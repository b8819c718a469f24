"""The readiness probe of a store."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pymongo
from pymongo.errors import PyMongoError

from ..errors import ForeignCollection, IndexesMissing, ServerUnavailable
from ..log.server.server import Explained

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..connection.connection import Connection
    from ..log.indexes.indexes import Indexes
    from ..log.server.drivers import AnyDriver
    from ..options import Options

_NEEDED_RIGHTS = ("find", "insert", "update", "remove")

# The driver gets less time by this much (at least half): its error says more than our timeout. It
# may be late by half a second when it looks for a server.
_MARGIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class StoreCheck:
    """The result of a check; true if the store can be used."""

    ok: bool
    reason: str
    """For a log: why the store cannot be used, or what the first operation will do."""

    def __bool__(self) -> bool:
        return self.ok


async def ping(connection: Connection, seconds: float) -> bool:
    """Whether the server answers within ``seconds``."""
    try:
        with pymongo.timeout(seconds):
            await connection.database.command("ping")
    except PyMongoError:
        return False
    return True


async def readiness(connection: Connection, options: Options, seconds: float) -> StoreCheck:
    """Check server, rights and indexes within ``seconds``; create nothing."""
    database, indexes = connection.database, connection.indexes
    try:
        with Explained(), pymongo.timeout(max(seconds - _MARGIN_SECONDS, seconds / 2)):
            looking = _look(database, indexes, create_indexes=options.create_indexes)
            return await asyncio.wait_for(looking, seconds)
    except (ServerUnavailable, ForeignCollection, IndexesMissing) as error:
        return StoreCheck(ok=False, reason=str(error))
    except PyMongoError as error:
        return StoreCheck(ok=False, reason=str(error).partition(", full error: ")[0])
    except asyncio.TimeoutError:
        return StoreCheck(ok=False, reason=f"no answer within {seconds:g} s")


async def missing_rights(
    database: AnyDriver, indexes: Indexes, actions: Sequence[str] = _NEEDED_RIGHTS
) -> list[str]:
    """The rights in the collection that the user lacks, of ``actions``."""
    rights = await _Rights.of(database)
    return [action for action in actions if not rights.allow(action, indexes)]


async def _look(database: AnyDriver, indexes: Indexes, *, create_indexes: bool) -> StoreCheck:
    await indexes.check_one_document()
    rights = await _Rights.of(database)
    if lacking := rights.missing(indexes):
        missing_rights = ", ".join(lacking)
        return StoreCheck(ok=False, reason=f"this user lacks rights in {indexes}: {missing_rights}")
    missing = await indexes.missing()
    if missing is None:
        return StoreCheck(ok=True, reason="ready")
    if create_indexes and rights.allow("createIndex", indexes):
        return StoreCheck(ok=True, reason="ready: the first operation creates the indexes")
    raise missing


@dataclass(frozen=True)
class _Rights:
    """The rights of the client's user; None if unknown, as without access control."""

    privileges: Iterable[Mapping[str, Any]] | None

    @classmethod
    async def of(cls, database: AnyDriver) -> _Rights:
        try:
            status = await database.command("connectionStatus", showPrivileges=True)
        except NotImplementedError:  # mongomock
            return cls(None)
        info = status["authInfo"]
        return cls(info["authenticatedUserPrivileges"] if info["authenticatedUsers"] else None)

    def missing(self, indexes: Indexes) -> list[str]:
        return [action for action in _NEEDED_RIGHTS if not self.allow(action, indexes)]

    def allow(self, action: str, indexes: Indexes) -> bool:
        return self.privileges is None or any(
            action in privilege["actions"] and _covers(privilege["resource"], indexes)
            for privilege in self.privileges
        )


def _covers(resource: Mapping[str, Any], indexes: Indexes) -> bool:
    """Whether a resource is the collection, or a set that includes it."""
    if resource.get("anyResource"):
        return True
    database, collection = indexes.namespace
    return resource.get("db") in ("", database) and resource.get("collection") in ("", collection)
