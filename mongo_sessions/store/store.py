"""The store: all sessions of one collection."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..cards.card import check_owner_name
from ..connection.clients import GivenClient
from ..connection.connections import Connections
from ..connection.own_clients import OwnClients
from ..log.server.server import explaining
from ..options import Options
from ..policies.checks import check_seconds
from ..policy_checks import check_policy
from ..session.session import MongoSession
from ..session.settings import checked
from ..transfer import Transfers
from .owner_store import OwnerStore
from .pending import FoldProgress, fold_pending
from .readiness import ping, readiness
from .recount import RecountProgress, recount
from .store_deletions import StoreDeletions
from .store_lists import StoreLists

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import EllipsisType

    from typing_extensions import Self, Unpack

    from ..connection.own_clients import DriverName
    from ..log.server.drivers import Database
    from ..options import StoreOptions
    from ..policies import RetrievalPolicy, SummarizeOlder
    from ..session.settings import GivenSettings
    from .readiness import StoreCheck


class MongoSessionStore(StoreLists, StoreDeletions, Transfers):
    """All sessions of one collection. Make one per application, and keep it.

    Args:
        database: Motor's ``AsyncIOMotorDatabase`` or PyMongo's ``AsyncDatabase``. The application
            closes its client. The store serves the event loop that the client serves.
        policy: Decides what :meth:`MongoSession.get_items` returns, unless a session has a policy
            of its own. None returns every item.
        session_settings: The SDK's settings for each session without settings of its own.
        collection: Name of the collection.
        token_counter: Counts an item when it is stored. None stores no counts; then a policy with
            a token budget is refused.
        retention: The server deletes each item that is older. At least an hour. A new value changes
            the index. None leaves it as it is (drop ``created_at_retention`` to end retention).
        create_indexes: Whether the first operation creates missing indexes, if there are any.
        retry_for: Seconds for which an operation is retried through network errors and elections;
            at most 600. While no server is reached, a warning after two seconds says what to check,
            and :class:`ServerUnavailable` is raised at the end. A ``serverSelectionTimeoutMS`` of
            the client other than the driver's default (30 seconds) ends the search earlier. If a
            process is killed between a batch and its commit, other writers of the session may wait
            60 seconds (``transactionLifetimeLimitSeconds``), until the server aborts it.
        search: The index that searches use, a TextIndex or AtlasSearch; None: they compare all.

    The constructor does no I/O. The first operation checks the indexes, once per store: an index
    that is dropped later is not noticed. If the unique index, the index of removed items or the
    index for ``retention`` is missing and is not or cannot be created, every operation raises
    :class:`IndexesMissing`: without the unique index, concurrent writes could be lost. A missing
    index of summaries only makes reads slower, and is logged. With ``create_indexes=False``, a user
    without the right to list the indexes is assumed to have them.
    """

    def __init__(
        self,
        database: Database | OwnClients,
        *,
        policy: RetrievalPolicy | None = None,
        session_settings: GivenSettings = None,
        **options: Unpack[StoreOptions],
    ) -> None:
        clients = database if isinstance(database, OwnClients) else GivenClient(database)
        self._connections = Connections(clients, Options(**options))
        check_policy(policy, has_token_counts=self._connections.state.counting.is_on)
        checked(session_settings, policy)
        self._policy = policy
        self._session_settings = session_settings

    @classmethod
    def from_uri(
        cls,
        uri: str,
        database: str = "agents",
        *,
        driver: DriverName = "motor",
        policy: RetrievalPolicy | None = None,
        session_settings: GivenSettings = None,
        **options: Unpack[StoreOptions],
    ) -> Self:
        """A store with its own clients, one per event loop. Close it, or use ``async with``.

        ``database`` holds the sessions; a database in the URI serves authentication only.
        ``driver`` is ``"motor"`` or ``"pymongo"``. ``options`` are the arguments of the class.

        A client of PyMongo is closed at the end of its event loop, by ``asyncio.run`` or
        ``loop.shutdown_asyncgens()``.
        """
        clients = OwnClients(uri, database, driver)
        return cls(clients, policy=policy, session_settings=session_settings, **options)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._connections)!r}, policy={self._policy!r})"

    def session(
        self,
        session_id: str,
        *,
        policy: RetrievalPolicy | EllipsisType | None = ...,
        session_settings: GivenSettings | EllipsisType = ...,
        owner: str | None = None,
    ) -> MongoSession:
        """One conversation. ``...`` takes the value of the store; None means none.

        ``owner`` is whom the session must belong to: every operation on a session of another owner
        raises :class:`WrongOwner`, and the first one on a new session makes it the owner's. None:
        the owner is not checked.

        Raises:
            TypeError, ValueError: ``session_id`` or ``owner`` is not a str of 1 to 1,024 bytes; the
                policy is no coroutine function, is combined with a limit, or needs token counts and
                the store has none.
        """
        return MongoSession(
            self._connections,
            session_id,
            policy=self._policy if policy is ... else policy,
            session_settings=(
                self._session_settings if session_settings is ... else session_settings
            ),
            owner=owner,
        )

    def for_owner(self, owner: str) -> OwnerStore:
        """The sessions of one owner: it makes, lists and deletes no other ones.

        Raises:
            TypeError, ValueError: ``owner`` is not a str of 1 to 1,024 bytes.
        """
        check_owner_name(owner)
        return OwnerStore(self._connections, partial(self.session, owner=owner), owner)

    @explaining
    async def ensure_indexes(self) -> None:
        """Create the missing indexes, also with ``create_indexes=False``: once per store.

        For a deployment script whose user may create indexes, or before the first request.

        Raises:
            IndexesMissing: an index cannot be created; the message has the command that creates it.
        """
        connection = self._connections.current()
        await connection.ensure_indexes()
        await connection.cards.ensure_indexes()

    @explaining
    @explaining
    async def fold_pending(
        self,
        policy: SummarizeOlder,
        *,
        prefix: str = "",
        limit: int = 100,
        progress: Callable[[FoldProgress], object] | None = None,
    ) -> int:
        """Make the summaries that are due, in a cron job; return how many were made.

        Sessions are processed one at a time, the longest unused first, block by block. Cancelling
        the call loses nothing; the next call continues. A session is skipped while another worker
        has its lease, and during the pause after a failure. A failure is logged, and ends the work
        on that session.

        Args:
            policy: The policy that the sessions are used with.
            prefix: Only sessions whose ids start with it.
            limit: Sessions for which at most a summary is made or tried.
            progress: Called after each summary. An exception from it ends the work.
        """
        return await fold_pending(
            self._connections, policy, prefix=prefix, limit=limit, progress=progress
        )

    @explaining
    async def recount(
        self,
        *,
        prefix: str = "",
        progress: Callable[[RecountProgress], object] | None = None,
    ) -> int:
        """Count all stored items again; return how many documents had other counts.

        For a change of ``token_counter``, after all workers use the new one, and for items stored
        with ``token_counter=None``. Only ``tokens``, ``total_tokens`` and the counts in summaries
        are rewritten.

        Sessions are read one at a time, 16 MB at a time, and counted in a thread. They may be used
        in the meantime. The call may be cancelled, and run again: right counts are not rewritten.
        A second run that returns 0 confirms that no writer interfered.

        Args:
            prefix: Only sessions whose ids start with it.
            progress: Called after 500 documents and after a session. An exception ends the work.

        Raises:
            ValueError: the store has no token counter.
        """
        return await recount(self._connections, prefix, progress)

    async def ping(self, timeout: float = 5.0) -> bool:
        """Whether the server answers within ``timeout`` seconds. See :meth:`check` for more."""
        check_seconds("timeout", timeout)
        return await ping(self._connections.current(), timeout)

    async def check(self, timeout: float = 5.0) -> StoreCheck:
        """Check server, rights (find, insert, update, remove) and indexes, for a readiness probe.

        It creates nothing, and takes at most ``timeout`` seconds. The result is false if the store
        cannot be used; its ``reason`` says why. Indexes that the first operation will create are
        not required.

        Raises:
            StoreClosed, WrongEventLoop: as every operation.
        """
        check_seconds("timeout", timeout)
        connection, options = self._connections.current(), self._connections.state.options
        return await readiness(connection, options, timeout)

    async def close(self, timeout: float = 10.0) -> None:
        """Close the clients that :meth:`from_uri` made. A closed store refuses every operation.

        First, the background work of this event loop is finished, as by :meth:`MongoSession.flush`.
        After ``timeout`` seconds, the rest is cancelled, and a warning names the sessions. Close a
        client of your own after the store.
        """
        await self._connections.close(timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
