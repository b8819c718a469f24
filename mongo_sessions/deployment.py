"""What kind of server this is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .drivers import AnyDriver


class Deployment(NamedTuple):
    """What the log needs to know of it."""

    has_transactions: bool
    """A replica set or a sharded cluster."""
    is_sharded: bool
    has_clock: bool = True
    """Whether expressions may use ``$$NOW``."""

    @classmethod
    async def of(cls, database: AnyDriver) -> Deployment:
        try:
            hello = await database.command("hello")
        except NotImplementedError:  # mongomock, which is neither
            return cls(has_transactions=False, is_sharded=False, has_clock=False)
        is_sharded = hello.get("msg") == "isdbgrid"
        return cls(has_transactions=is_sharded or "setName" in hello, is_sharded=is_sharded)
