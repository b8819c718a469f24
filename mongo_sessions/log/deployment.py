"""What kind of server this is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .drivers import AnyDriver


class Deployment(NamedTuple):
    """What the log needs to know of it."""

    has_transactions: bool
    """A replica set or a sharded cluster."""
    has_elections: bool = False
    """A replica set whose members the client knows. A mongos does not tell of its shards."""
    has_clock: bool = True
    """Whether expressions may use ``$$NOW``."""

    @classmethod
    async def of(cls, database: AnyDriver) -> Deployment:
        try:
            hello = await database.command("hello")
        except NotImplementedError:  # mongomock, which is neither
            return cls(has_transactions=False, has_clock=False)
        is_replica_set = "setName" in hello
        return cls(
            has_transactions=is_replica_set or hello.get("msg") == "isdbgrid",
            has_elections=is_replica_set,
        )
