"""The kind of the server: standalone, replica set, sharded cluster or mongomock."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .drivers import AnyDriver


class Deployment(NamedTuple):
    """The capabilities of the server that the log depends on."""

    has_transactions: bool
    """A replica set or a sharded cluster."""
    has_elections: bool = False
    """A replica set whose members the client knows. A mongos does not report on its shards."""
    has_clock: bool = True
    """Whether expressions may use ``$$NOW``."""
    has_regex: bool = True
    """Whether expressions may use ``$regexMatch``."""

    @classmethod
    async def of(cls, database: AnyDriver) -> Deployment:
        try:
            hello = await database.command("hello")
        except NotImplementedError:  # mongomock
            return cls(has_transactions=False, has_clock=False, has_regex=False)
        is_replica_set = "setName" in hello
        return cls(
            has_transactions=is_replica_set or hello.get("msg") == "isdbgrid",
            has_elections=is_replica_set,
        )
