"""Opens the store of a command: by default for reading only."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..connection.own_clients import OwnClients
from ..history.session_state import SessionState
from ..log.server.server import explaining
from ..policies import ReadOnlyHistory
from ..store.store import MongoSessionStore
from .target import no, wrong_usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..connection.connection import Connection
    from ..connection.connections import Connections
    from ..history.history import SessionHistory
    from ..log.log import Log
    from ..policies import RetrievalPolicy
    from ..session.session import MongoSession
    from .output import Output
    from .target import Target


@dataclass(frozen=True)
class Opened:
    """A store, and what the commands need of its inside."""

    target: Target
    store: MongoSessionStore
    connections: Connections

    @property
    def connection(self) -> Connection:
        return self.connections.current()

    @explaining
    async def create_indexes_if_new(self) -> None:
        """Create the indexes of a collection that does not exist yet: it has nothing to index."""
        if not await self.connection.indexes.has_collection():
            await self.store.ensure_indexes()

    async def log(self) -> Log:
        return await self.connection.log()

    async def history(self, session_id: str) -> SessionHistory:
        """A session as a policy reads it."""
        log = await self.connection.session_log(session_id, SessionState())
        return self.connection.history(log)

    async def read_only_history(self, session_id: str) -> ReadOnlyHistory:
        """The same, for a look at what a policy shows: no summary is made."""
        return ReadOnlyHistory(await self.history(session_id))

    async def existing(
        self, session_id: str, policy: RetrievalPolicy | None = None
    ) -> MongoSession:
        """A session that has items.

        Raises:
            CommandError: there is no item.
        """
        session = self.store.session(session_id, policy=policy)
        if not await session.get_items(limit=1):
            raise no(f"there is no session {session_id!r} in {self.target}")
        return session


@asynccontextmanager
async def opened(target: Target, output: Output, *, writes: bool = False) -> AsyncIterator[Opened]:
    """The store of ``target``, closed at the end.

    Without ``writes``, nothing is written, also not the rest of an interrupted clear. A missing
    index is told and does not prevent a look: it may be what the look is about.
    """
    store = MongoSessionStore(
        OwnClients(uri_of(target), target.database, "pymongo"),
        collection=target.collection,
        create_indexes=False,
        retry_for=target.seconds,
    )
    connections = store._connections  # noqa: SLF001 - the commands look inside
    async with store:
        if not writes:
            connections.state.is_read_only = True
            await _check(connections, target, output)
        yield Opened(target, store, connections)


@explaining
async def _check(connections: Connections, target: Target, output: Output) -> None:
    """Refuse a foreign collection; warn of missing indexes."""
    connection = connections.current()
    await connection.check_collection()
    defects = await connection.indexes.defects()
    if defects and not await connection.indexes.has_collection():
        output.warn(f"warning: there is no {target}: is it the right --database, --collection?")
    elif defects:
        names = ", ".join(one.name for one in defects)
        doctor = f"`mongo-sessions{target.options} doctor`"
        output.warn(f"warning: {target} has no index {names}: see {doctor}")
    connections.state.indexes_were_checked = True


def uri_of(target: Target) -> str:
    """The URI that was given.

    Raises:
        CommandError: none was given.
    """
    if not target.uri:
        raise wrong_usage("which server? Set MONGODB_URI, or pass --uri mongodb://host:27017")
    return target.uri
