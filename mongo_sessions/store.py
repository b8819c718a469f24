"""What an application makes once: the conversations of one collection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pymongo
from pymongo.errors import PyMongoError

from .clients import ClientPerLoop
from .log.retries import run_to_completion
from .log.server import explaining
from .log.session_ids import check_part_of_id
from .pending import FoldProgress, pending
from .policies import FoldStatus, SummarizeOlder
from .policies.checks import check_callable, check_seconds, check_whole_number
from .recount import Recount, RecountProgress
from .session import MongoSession
from .session_info import SessionInfo, info_of
from .session_state import SessionState
from .storage import DEFAULT_COUNTER, Storage, StorageOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from types import EllipsisType

    from typing_extensions import Self, Unpack

    from .clients import DriverName
    from .log.drivers import Database
    from .policies import RetrievalPolicy, TokenCounter
    from .readiness import StoreCheck
    from .settings import GivenSettings


class StoreOptions(StorageOptions, total=False):
    """The keyword arguments of :class:`MongoSessionStore`, for those who pass them on."""

    policy: RetrievalPolicy | None
    session_settings: GivenSettings


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
            Another value than before changes the index; None leaves an index as it is (to end it,
            drop ``created_at_retention``). At least an hour.
        create_indexes: Whether the first operation creates the indexes that are missing. A user
            without the right to needs no setting if they are there.
        retry_for: Seconds that an operation keeps trying through network errors and elections; at
            most 600.
            While no server is reached, a warning says after two seconds what to look at, and at the
            end :class:`ServerUnavailable` is raised. A client with a ``serverSelectionTimeoutMS``
            of its own (not the driver's default of 30 seconds) gives up looking after that.
            A process that is killed between a batch and its commit can make other writers of the
            same session wait longer: until the server gives its transaction up, after 60 seconds
            (``transactionLifetimeLimitSeconds``).

    Nothing is read or written before the first operation, which looks at the indexes; nobody looks
    again if one is dropped later. Without the unique one, concurrent writes would get lost: so if
    that, or the one for ``retention``, is missing, and may not or cannot be created, every
    operation raises :class:`IndexesMissing`. Without the index of the summaries, all is well, but
    slower: that is logged. A user who may not even list the indexes is taken to have them, with
    ``create_indexes=False``.
    """

    def __init__(
        self,
        database: Database | ClientPerLoop,
        *,
        collection: str = "session_items",
        policy: RetrievalPolicy | None = None,
        token_counter: TokenCounter | None = DEFAULT_COUNTER,
        session_settings: GivenSettings = None,
        retention: timedelta | None = None,
        create_indexes: bool = True,
        retry_for: float = 30.0,
    ) -> None:
        self._storage = Storage(
            database,
            collection=collection,
            token_counter=token_counter,
            retention=retention,
            create_indexes=create_indexes,
            retry_for=retry_for,
        )
        self._policy = policy
        self._session_settings = session_settings
        self.session("any")  # a policy and settings that do not go together fail here

    @classmethod
    def from_uri(
        cls,
        uri: str,
        database: str = "agents",
        *,
        driver: DriverName = "motor",
        **options: Unpack[StoreOptions],
    ) -> Self:
        """A store with clients of its own: one per event loop that uses it.

        ``database`` is where the sessions are kept; one in the URI is for authentication alone.
        ``driver`` makes the clients: ``"motor"``, or ``"pymongo"`` for PyMongo's own. ``options``
        are those of the class. Close the store, or use it in ``async with``.

        PyMongo's clients serve one event loop each, and are closed when that ends, by
        ``asyncio.run`` or ``loop.shutdown_asyncgens()``.
        """
        return cls(ClientPerLoop(uri, database, driver), **options)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._storage)!r}, policy={self._policy!r})"

    def session(
        self,
        session_id: str,
        *,
        policy: RetrievalPolicy | EllipsisType | None = ...,
        session_settings: GivenSettings | EllipsisType = ...,
    ) -> MongoSession:
        """One conversation. ``...`` means: as the store has it; None means: none.

        Raises:
            TypeError, ValueError: ``session_id`` is not a str of 1 to 1,024 bytes, the policy is no
                coroutine function, or it goes together neither with a limit nor with a store that
                counts no tokens.
        """
        return MongoSession(
            self._storage,
            session_id,
            policy=self._policy if policy is ... else policy,
            session_settings=(
                self._session_settings if session_settings is ... else session_settings
            ),
        )

    @explaining
    async def ensure_indexes(self) -> None:
        """Create the indexes that are missing, once, whatever ``create_indexes`` says.

        For a deployment script, by a user with the right to, or before the first request.

        Raises:
            IndexesMissing: one cannot be created; the message says what to do.
        """
        await self._storage.ensure_indexes()

    @explaining
    async def list_sessions(
        self, prefix: str = "", after: str | None = None, limit: int = 100
    ) -> list[SessionInfo]:
        """Sessions in the order of their ids: those that start with ``prefix``.

        A prefix is no more than the beginning of a text: "user-1" lists user-12, too. End it with
        the separator of your ids: "user-1/".

        ``after`` is the last id of the page before. The server looks at two index keys per session
        from there on, not at their items.
        """
        check_whole_number("limit", limit, at_least=1)
        check_part_of_id("prefix", prefix)
        if after is not None:
            check_part_of_id("after", after)
        log = await self._storage.log()
        return [info_of(listed) for listed in await log.sessions(prefix, after, limit)]

    @explaining
    async def delete_session(self, session_id: str) -> int:
        """Remove everything that is stored of a session; return how many items that were.

        See :meth:`MongoSession.clear_session`. The number is too low if a command was tried again.
        """
        self.session(session_id)  # or raise
        log = await self._storage.log()
        return await run_to_completion(log.clear(session_id))

    @explaining
    async def fold_pending(
        self,
        policy: SummarizeOlder,
        *,
        prefix: str = "",
        limit: int = 100,
        progress: Callable[[FoldProgress], object] | None = None,
    ) -> int:
        """Make the summaries that are due, for a cron job; return how many were made.

        One session after the other, the one that was left alone for longest first. Each is brought
        up to date, a block at a time, as its own writes would do it. This may be cancelled at any
        time, and gone on with anywhere. Sessions that other workers are at, and those that wait
        after a failure, are passed over. A failure is logged, and ends the work on that session.

        Args:
            policy: The one that the sessions are used with.
            prefix: Of the ids of the sessions that are looked at.
            limit: For how many sessions summaries are made, or tried to be made, at most.
            progress: Called after each summary. What it raises ends the work.
        """
        check_whole_number("limit", limit, at_least=1)
        check_part_of_id("prefix", prefix)
        if progress is not None:
            check_callable("progress", progress)
        if not isinstance(policy, SummarizeOlder):
            raise TypeError(f"policy must be a SummarizeOlder, got {policy!r}")
        self.session("any", policy=policy, session_settings=None)  # it fails as a session would
        due = await pending(await self._storage.log(), prefix, policy.budget.due_tokens)
        made = tried = 0
        for number, session_id in enumerate(due, 1):
            history = await self._storage.history(session_id, SessionState())
            before = made
            while report := (result := await policy.fold(history)).report:
                made += 1
                if progress is not None:
                    progress(FoldProgress(session_id, number, len(due), made, report))
            tried += made > before or result.status is FoldStatus.FAILED
            if tried == limit:
                break
        return made

    @explaining
    async def recount(
        self,
        *,
        prefix: str = "",
        progress: Callable[[RecountProgress], object] | None = None,
    ) -> int:
        """Count everything that is stored again; return how many documents had other counts.

        For a change of ``token_counter``, once all workers have the new one, and for items that
        were stored with ``token_counter=None``. Their ``tokens`` and ``total_tokens`` are
        rewritten, and the counts in summaries; items, summaries and their places stay as they are.

        One session after the other is read, 16 MB at a time, and counted in a thread. This may be
        cancelled at any time, and run again: what is right is not written. Sessions may be used
        meanwhile. A second run that returns 0 confirms that no writer was in between.

        Args:
            prefix: Of the ids of the sessions that are counted.
            progress: Called after every 500 documents and after each session. What it raises ends
                the work.

        Raises:
            ValueError: the store counts no tokens.
        """
        check_part_of_id("prefix", prefix)
        if progress is not None:
            check_callable("progress", progress)
        if not self._storage.counting.is_on:
            raise ValueError("recount needs token counts, and token_counter is None")
        run = Recount(self._storage, await self._storage.log())
        await run.run(prefix, progress)
        return run.changed

    async def ping(self, timeout: float = 5.0) -> bool:
        """Whether the server answers within ``timeout`` seconds. See :meth:`check` for more."""
        check_seconds("timeout", timeout)
        database = self._storage.database()
        try:
            with pymongo.timeout(timeout):
                await database.command("ping")
        except PyMongoError:
            return False
        return True

    async def check(self, timeout: float = 5.0) -> StoreCheck:
        """Whether the store can be used, for a readiness probe: look at server, rights, indexes.

        It takes ``timeout`` seconds at most, creates nothing, and raises nothing if it cannot be
        used: the result is false then, and its ``reason`` says why. Indexes that are missing are no
        reason where the first operation will create them. Rights are those that sessions need: to
        find, insert, update and remove.

        Raises:
            StoreClosed, WrongEventLoop: as every operation.
        """
        return await self._storage.check(timeout)

    async def close(self, timeout: float = 10.0) -> None:
        """Close the clients that :meth:`from_uri` made. A closed store refuses every operation.

        What policies do in the background of this event loop is brought to its end first, as
        :meth:`MongoSession.flush` does it, for ``timeout`` seconds. What is not done by then is
        cancelled, and a warning names the sessions. A client of yours is closed after the store.
        """
        await self._storage.close(timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
