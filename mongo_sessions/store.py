"""What an application makes once: the conversations of one collection."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timezone
from typing import TYPE_CHECKING, TypedDict

from pymongo.errors import PyMongoError

from .drivers import ClientPerLoop, GivenDatabase
from .indexes import create_indexes, has_transactions
from .log import Log
from .once import Once
from .policies import TiktokenCounter, TokenBudget
from .retries import patiently
from .session import MongoSession, check_session_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta
    from types import EllipsisType, TracebackType

    from agents.memory import SessionSettings
    from typing_extensions import Self, Unpack

    from .drivers import AnyDriver, Database
    from .log import Document
    from .policies import Item, RetrievalPolicy, TokenCounter

# One for all stores: its vocabulary takes a third of a second to load, and some 50 MB.
_DEFAULT_COUNTER = TiktokenCounter()

# A counter takes some 25 µs per KB: a longer batch would hold up the event loop.
_COUNT_IN_THREAD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """What a listing says about a session."""

    session_id: str
    items: int
    total_tokens: int
    """Of the stored items; 0 where the store counts none."""
    updated_at: datetime
    """When the newest item was added, in UTC."""


class StoreOptions(TypedDict, total=False):
    """The keyword arguments of :class:`MongoSessionStore`, for those who pass them on."""

    collection: str
    policy: RetrievalPolicy | None
    token_counter: TokenCounter | None
    session_settings: SessionSettings | None
    retention: timedelta | None
    create_indexes: bool
    retry_for: float


class MongoSessionStore:
    """All sessions of one collection. Make one per application and keep it.

    Args:
        database: Motor's ``AsyncIOMotorDatabase`` or PyMongo's ``AsyncDatabase``. Its client stays
            yours: the store never closes it, and serves the event loop that the client serves.
        collection: Name of the collection.
        policy: What :meth:`MongoSession.get_items` shows, unless a session has its own.
            None shows everything.
        token_counter: Counts an item when it is stored. None counts nothing; then policies with a
            token budget are refused.
        session_settings: The SDK's settings for every session, unless it has its own.
        retention: Items older than this are deleted by the server, one by one as they age.
            Another value than before changes the index. None leaves it as it is.
        create_indexes: False for a user without the right to; whoever has it then calls
            :meth:`ensure_indexes` once. Without the unique index, concurrent writes get lost.
        retry_for: Seconds that an operation keeps trying through network errors and elections.

    Nothing is read or written before the first operation, which creates the indexes.
    """

    def __init__(
        self,
        database: Database | ClientPerLoop,
        *,
        collection: str = "session_items",
        policy: RetrievalPolicy | None = None,
        token_counter: TokenCounter | None = _DEFAULT_COUNTER,
        session_settings: SessionSettings | None = None,
        retention: timedelta | None = None,
        create_indexes: bool = True,
        retry_for: float = 30.0,
    ) -> None:
        if not retry_for > 0:
            raise ValueError(f"retry_for must be positive, got {retry_for!r}")
        if retention is not None and retention.total_seconds() < 1:
            raise ValueError(f"retention must be at least a second, got {retention!r}")
        self._source = database if isinstance(database, ClientPerLoop) else GivenDatabase(database)
        self._collection = collection
        self._counter = token_counter
        self._retention = retention
        self._create_indexes = create_indexes
        self._retry_for = retry_for
        self._policy = policy
        self._session_settings = session_settings
        self._indexes: Once[None] = Once()
        self._transactions: Once[bool] = Once()
        self._counter_is_loaded = False
        self._latest_log: tuple[AnyDriver, Log] | None = None
        self.session("any")  # a policy and settings that do not go together fail here

    @classmethod
    def from_uri(cls, uri: str, database: str = "agents", **options: Unpack[StoreOptions]) -> Self:
        """A store with Motor clients of its own: one per event loop that uses it.

        ``options`` are those of the class. Close the store, or use it in ``async with``.
        """
        return cls(ClientPerLoop(uri, database), **options)

    def session(
        self,
        session_id: str,
        *,
        policy: RetrievalPolicy | EllipsisType | None = ...,
        session_settings: SessionSettings | EllipsisType | None = ...,
    ) -> MongoSession:
        """One conversation. ``...`` means: as the store has it; None means: none.

        Raises:
            TypeError, ValueError: ``session_id`` is not a non-empty str, or the policy goes
                together neither with a limit nor with a store that counts no tokens.
        """
        if policy is ...:
            policy = self._policy
        if session_settings is ...:
            session_settings = self._session_settings
        if self._counter is None and isinstance(policy, TokenBudget):
            raise ValueError(f"{policy!r} needs token counts, and token_counter is None")
        return MongoSession(self, session_id, policy=policy, session_settings=session_settings)

    async def ensure_indexes(self) -> None:
        """Create the indexes now, once: for a deployment script, or before the first request."""
        database = self._source.database()
        await self._indexes.get(
            lambda: patiently(
                lambda: create_indexes(database, self._collection, self._retention),
                self._retry_for,
            )
        )

    async def list_sessions(
        self, prefix: str = "", after: str | None = None, limit: int = 100
    ) -> list[SessionInfo]:
        """Sessions in the order of their ids: those that start with ``prefix``.

        ``after`` is the last id of the page before. The server looks at two index keys per session
        from there on, not at their items.
        """
        if limit < 1:
            raise ValueError(f"limit must be positive, got {limit!r}")
        log = await self.log()
        return [_info(session) for session in await log.sessions(prefix, after, limit)]

    async def delete_session(self, session_id: str) -> None:
        """Remove everything that is stored of a session. Nothing happens if there is none."""
        check_session_id(session_id)
        await self.session(session_id).clear_session()

    async def ping(self) -> bool:
        """Whether the server answers."""
        database = self._source.database()
        try:
            await database.command("ping")
        except PyMongoError:
            return False
        return True

    async def close(self) -> None:
        """Close the clients that :meth:`from_uri` made. A closed store refuses every operation."""
        await self._source.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def log(self) -> Log:
        """The log through the client of the running event loop; the first time, indexes are made.

        Raises:
            StoreClosed: the store is closed, or its client serves another event loop.
        """
        database = self._source.database()
        if self._latest_log is not None and self._latest_log[0] is database:
            return self._latest_log[1]
        if self._create_indexes:
            await self.ensure_indexes()
        transactions = await self._transactions.get(
            lambda: patiently(lambda: has_transactions(database), self._retry_for)
        )
        log = Log(database, self._collection, transactions=transactions, retry_for=self._retry_for)
        self._latest_log = (database, log)
        return log

    def count_tokens(self, item: Item) -> int:
        """Tokens of one item; 0 where the store counts none."""
        return 0 if self._counter is None else self._counter(item)

    async def count_all(self, items: Sequence[Item], size: int) -> Sequence[int | None]:
        """Tokens of each item, where they have ``size`` bytes together."""
        counter = self._counter
        if counter is None:
            return [None] * len(items)
        if self._counter_is_loaded and size < _COUNT_IN_THREAD_BYTES:
            counts = [counter(item) for item in items]
        else:
            counts = await asyncio.to_thread(lambda: [counter(item) for item in items])
            self._counter_is_loaded = True
        for count in counts:
            if not isinstance(count, int) or count < 0:
                raise ValueError(f"token_counter returned {count!r}, not a whole number from 0 up")
        return counts


def _info(session: Document) -> SessionInfo:
    first = session["first"]
    gone = (first["total_tokens"] or 0) - (first["tokens"] or 0)
    return SessionInfo(
        session_id=session["_id"],
        items=session["seq"] - first["seq"] + 1,
        total_tokens=(session["total_tokens"] or 0) - gone,
        updated_at=session["created_at"].astimezone(timezone.utc),
    )
