"""What kind of server this is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .drivers import AnyDriver


class Deployment(NamedTuple):
    """What the log needs to know of it."""

    has_transactions: bool
    """A replica set or a sharded cluster."""
    has_clock: bool = True
    """Whether expressions may use ``$$NOW``."""

    @classmethod
    async def of(cls, database: AnyDriver) -> Deployment:
        try:
            hello = await database.command("hello")
        except NotImplementedError:  # mongomock, which is neither
            return cls(has_transactions=False, has_clock=False)
        return cls(has_transactions=hello.get("msg") == "isdbgrid" or "setName" in hello)
