"""The names and the interface of contenders, and the field of a run: contenders and sessions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from .data import conversation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AsyncExitStack

    from agents.items import TResponseInputItem
    from agents.memory import Session

    from .run import Scale

OURS = {"Motor": "ours, Motor", "PyMongo": "ours, PyMongo"}
BARE = {"Motor": "bare Motor", "PyMongo": "bare PyMongo"}
SDK_MONGO = "SDK MongoDB"
SDK_SQLITE = "SDK SQLite"
SDK_ON = {"PostgreSQL": "SDK PostgreSQL", "Redis": "SDK Redis"}


class Stored(NamedTuple):
    """Bytes that a contender's namespace takes."""

    data: int | None
    """Of what is stored, without compression and indexes; None where the server does not say."""
    disk: int
    """With compression, indexes, and what the server keeps beside it."""


class Contender(Protocol):
    """One way to keep sessions, in a namespace of its own: a database, a file, a prefix."""

    name: str
    kept_as: str
    """Contenders for which this is the same read each other's sessions."""
    guarantee: str
    """What holds when a write returns."""

    def session(self, session_id: str) -> Session:
        """A session object, as an application would make it."""

    async def fill(self, session_id: str, items: Sequence[TResponseInputItem]) -> None:
        """Store these in a new session, by the quickest way there is to the same result."""

    async def stored(self) -> Stored:
        """What the namespace takes; asked when nothing is written any more."""

    async def version(self) -> str:
        """Of the server, or of what takes its place."""

    async def close(self) -> None:
        """Close connections, and remove stored data that outlives the run."""


@dataclass(frozen=True)
class Field:
    """The contenders of a run, and the sessions that they share."""

    contenders: Sequence[Contender]
    scale: Scale
    mongo: str
    """The URI of the replica set."""
    namespace: str
    ends: AsyncExitStack
    """Ends at the end of the run what the work has begun."""
    _filled: set[tuple[str, str]] = field(default_factory=set)

    async def filled(self, contender: Contender, session_id: str, items: int) -> Session:
        """A session with ``items`` items; the first call stores them."""
        if self.is_new(contender, session_id):
            self._filled.add((contender.kept_as, session_id))
            await contender.fill(session_id, conversation(items))
        return contender.session(session_id)

    def is_new(self, contender: Contender, session_id: str) -> bool:
        """Whether :meth:`filled` was not called for that session yet."""
        return (contender.kept_as, session_id) not in self._filled

    def with_contenders(self, contenders: Sequence[Contender]) -> Field:
        """The same data with other contenders."""
        return replace(self, contenders=contenders)
