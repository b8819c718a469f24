"""One collection, as all its sessions use it: its log, its indexes, its token counts."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import NoneType
from typing import TYPE_CHECKING, TypedDict

from .background import Background
from .bypass import Bypasses
from .clients import ClientPerLoop
from .count_check import CountCheck
from .counting import Counting
from .first_chunks import FirstChunks
from .history import SessionHistory
from .log.deployment import Deployment
from .log.drivers import GivenDatabase
from .log.indexes import Indexes
from .log.log import Log
from .log.places import MARK_SECONDS
from .log.retries import Retries, retrying
from .log.server import Server
from .once import Once
from .policies import TiktokenCounter
from .policies.checks import check_callable, check_seconds
from .readiness import readiness

if TYPE_CHECKING:
    from .log.drivers import AnyDriver, Database
    from .policies import TokenCounter
    from .readiness import StoreCheck
    from .session_state import SessionState

DEFAULT_COUNTER = TiktokenCounter()

# A place must not become free while a writer may take it for the next one, or looks whether it has
# written there: see places.py.
_SHORTEST_RETENTION = timedelta(seconds=MARK_SECONDS)
_LONGEST_RETRY = 600.0


class StorageOptions(TypedDict, total=False):
    """What is said of them in :class:`MongoSessionStore`."""

    collection: str
    token_counter: TokenCounter | None
    retention: timedelta | None
    create_indexes: bool
    retry_for: float


class Storage:
    """What every session of a store shares; nothing is read or written when it is made."""

    def __init__(
        self,
        database: Database | ClientPerLoop,
        *,
        collection: str = "session_items",
        token_counter: TokenCounter | None = DEFAULT_COUNTER,
        retention: timedelta | None = None,
        create_indexes: bool = True,
        retry_for: float = 30.0,
    ) -> None:
        check_seconds("retry_for", retry_for)
        if not isinstance(retention, (timedelta, NoneType)):
            raise TypeError(f"retention must be a timedelta or None, got {retention!r}")
        if retry_for > _LONGEST_RETRY:
            raise ValueError(f"retry_for must be at most {_LONGEST_RETRY:g}, got {retry_for!r}")
        if retention is not None and retention < _SHORTEST_RETENTION:
            raise ValueError(f"retention must be at least an hour, got {retention!r}")
        if token_counter is not None:
            check_callable("token_counter", token_counter)
        self._source = database if isinstance(database, ClientPerLoop) else GivenDatabase(database)
        self._collection = collection
        self.counting = Counting(token_counter)
        self._retention = retention
        self._create_indexes = create_indexes
        self.retry_for = retry_for
        self._indexes_were_made: Once[None] = Once()
        self._indexes_were_seen: Once[None] = Once()
        self._deployment: Once[Deployment] = Once()
        self._servers: dict[asyncio.AbstractEventLoop, Server] = {}
        self._logs: dict[asyncio.AbstractEventLoop, Log] = {}
        self.background = Background()
        self._cleaning = Background()
        self._count_check = CountCheck(self.counting)
        self._first_chunks = FirstChunks()
        self.bypasses = Bypasses()

    def __str__(self) -> str:
        return f"{self._source}.{self._collection}"

    def database(self) -> AnyDriver:
        """The database, through the client of the running event loop.

        Raises:
            StoreClosed: the store was closed.
            WrongEventLoop: the store was given a client that serves another event loop.
        """
        return self._source.database()

    async def ensure_indexes(self) -> None:
        """Create the indexes that are missing, once."""
        await self._ensure_indexes(self._indexes_were_made, create=True)

    async def check(self, seconds: float) -> StoreCheck:
        """Look at server, rights and indexes."""
        check_seconds("timeout", seconds)
        database = self.database()
        indexes = Indexes(database, self._collection, self._retention)
        return await readiness(
            database, indexes, create_indexes=self._create_indexes, seconds=seconds
        )

    async def _ensure_indexes(self, once: Once[None], *, create: bool) -> None:
        indexes = Indexes(self.database(), self._collection, self._retention)
        server = self._server()

        async def ensure() -> None:
            await retrying(indexes.refuse_foreign, self.retry_for, server=server)
            await retrying(
                lambda: indexes.ensure(create=create),
                self.retry_for,
                server=server,
                attempt_seconds=self.retry_for,  # building one in a large collection takes its time
            )

        await once.get(ensure)

    async def log(self) -> Log:
        """The log, through the client of the running event loop; at first, look at the indexes."""
        database, loop = self.database(), asyncio.get_running_loop()
        if log := self._logs.get(loop):
            return log
        server = self._server()
        if self._create_indexes:
            await self.ensure_indexes()
        else:
            await self._ensure_indexes(self._indexes_were_seen, create=False)
        deployment = await self._deployment.get(
            lambda: retrying(lambda: Deployment.of(database), self.retry_for, server=server)
        )
        log = Log(
            database,
            self._collection,
            deployment=deployment,
            retries=Retries(server, self.retry_for),
            run_later=self._cleaning.start,
        )
        return self._logs.setdefault(loop, log)  # another task may have been first

    def _server(self) -> Server:
        """The server, as the client of the running event loop sees it."""
        loop = asyncio.get_running_loop()
        if loop not in self._servers:
            for closed in [other for other in list(self._servers) if other.is_closed()]:
                self._servers.pop(closed, None)
                self._logs.pop(closed, None)
            self._servers[loop] = Server(self.database().client)
        return self._servers[loop]

    async def history(self, session_id: str, state: SessionState) -> SessionHistory:
        """The log of one session; ``state`` is what its user remembers of it."""
        return SessionHistory(
            await self.log(),
            session_id,
            count_tokens=self.counting.one,
            background=self.background,
            state=state,
            first_chunks=self._first_chunks,
            count_check=self._count_check,
        )

    async def close(self, seconds: float) -> None:
        """Refuse every operation from now on, after at most so many seconds for the background."""
        check_seconds("timeout", seconds)
        await self.background.close(seconds)
        await self._cleaning.close(seconds)
        await self._source.close()
