"""The session: one conversation, as the Agents SDK uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ..cards.card import check_owner_name
from ..connection.connections import Connections
from ..connection.own_clients import OwnClients
from ..counting.new_items import from_sdk, to_new_items, to_sdk
from ..history.session_state import SessionState
from ..log.documents import decode
from ..log.session_ids import check_session_id
from ..options import Options
from ..policies.checks import check_whole_number
from ..policy_checks import check_policy
from ..runs.runs import Runs
from .chat import Chat
from .compaction import CompactionHooks
from .editing import Editing
from .inspection import Inspection
from .run_filters import RunFilters
from .search import Searches
from .settings import HasSettings, checked
from .tracing import traced

if TYPE_CHECKING:
    from agents import RunContextWrapper
    from agents.items import TResponseInputItem
    from typing_extensions import Self, Unpack

    from ..connection.own_clients import DriverName
    from ..history.session_log import SessionLog
    from ..options import StoreOptions
    from ..policies import RetrievalPolicy
    from .settings import GivenSettings


class MongoSession(HasSettings, Inspection, Editing, CompactionHooks, RunFilters, Searches, Chat):
    """A conversation in MongoDB: an Agents SDK session.

    Made by :meth:`MongoSessionStore.session`, or :meth:`from_uri`, without I/O: make a session per
    request, or keep it. Session objects in any number of processes may use one ``session_id``.

    Attributes:
        session_id: Identifies the conversation.
        owner: Whom the session must belong to; None: it may belong to anyone.
        policy: Decides which part of the history :meth:`get_items` returns.
        session_settings: The SDK's settings, never None; a dict may be assigned. Their limit
            applies if there is no policy.
    """

    def __init__(
        self,
        connections: Connections,
        session_id: str,
        *,
        policy: RetrievalPolicy | None = None,
        session_settings: GivenSettings = None,
        owner: str | None = None,
        owns_connections: bool = False,
    ) -> None:
        check_session_id(session_id)
        if owner is not None:
            check_owner_name(owner)
        check_policy(policy, has_token_counts=connections.state.counting.is_on)
        self.session_id = session_id
        self.owner = owner
        self.policy = policy
        self._settings = checked(session_settings, policy)
        self._connections = connections
        self._owns_connections = owns_connections
        self._state = SessionState()
        self._runs = Runs(self._state, connections.state.counting)

    @classmethod
    def from_uri(
        cls,
        session_id: str,
        *,
        uri: str,
        database: str = "agents",
        driver: DriverName = "motor",
        policy: RetrievalPolicy | None = None,
        session_settings: GivenSettings = None,
        **options: Unpack[StoreOptions],
    ) -> Self:
        """A session with its own client, for scripts. Close it, or use ``async with``.

        ``driver`` is ``"motor"`` or ``"pymongo"``. ``options`` are
        arguments of :class:`MongoSessionStore`, which an application uses instead.
        """
        return cls(
            Connections(OwnClients(uri, database, driver), Options(**options)),
            session_id,
            policy=policy,
            session_settings=session_settings,
            owns_connections=True,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.session_id!r})"

    @property
    def overhead_tokens(self) -> int:
        """See :attr:`History.overhead_tokens`; by the last read or response, 0 if unknown."""
        return self._state.overhead_tokens or 0

    @traced
    async def get_items(
        self, limit: int | None = None, *, wrapper: RunContextWrapper[Any] | None = None
    ) -> list[TResponseInputItem]:
        """Return what the model is to see, oldest first.

        Args:
            limit: None returns the policy's view (every item, without a policy). A number returns
                the newest items up to this number, exactly as they were added, whatever the
                policy: so the SDK reads back what it wrote. 0 returns none.
            wrapper: Passed by the SDK: the run that shows these items to its model.

        Raises:
            ValueError: ``limit`` is negative.
        """
        if limit is None and self.policy is not None:
            history = await self._history()
            view = await history.view(self.policy)
            await self._check_again(history.session_log)
            await self._runs.begin(wrapper, view, history)
            return to_sdk(view.items)
        if limit is None and self._settings is not None:
            limit = self._settings.limit
        if limit is not None:
            check_whole_number("limit", limit, at_least=0)
        log = await self._log()
        documents = await log.newest_documents(limit)
        await self._check_again(log)
        self._runs.begin_with_items(wrapper, documents, log, is_whole=limit is None)
        return to_sdk([decode(document["item"]) for document in documents])

    @traced
    async def add_items(
        self, items: list[TResponseInputItem], *, wrapper: RunContextWrapper[Any] | None = None
    ) -> None:
        """Append a batch: atomic, exactly once, in consecutive places.

        One item is one insert, several are one transaction. After a network error or an election,
        the session finds out whether the batch was written, and retries until it is, for at most
        ``retry_for`` seconds; then it raises the driver's error or ServerUnavailable. A cancelled
        call waits for the outcome first, unless the event loop ends.

        Group commit: concurrent appends to one session in this process become one transaction. Each
        batch keeps its place and its outcome, and waits for at most ``retry_for`` seconds in all.
        ``pymongo.timeout`` around the call has no effect, as it would apply to the whole group.

        ``seq`` has gaps where items were removed. If another worker pops items between two appends
        of a session object that does not read in between (within five minutes), the running total
        of tokens still counts them. It only grows.

        A standalone server has no transactions: a batch is one ordered insert. If the server dies
        during the insert, the first part may stay. Concurrent appends may split a batch in two.

        Raises:
            InvalidItem: an item is not a JSON object. Nothing was written.
            ItemTooLarge: an item is larger than a MongoDB document. Nothing was written.
            SessionDeleted: the session was deleted since the run of ``wrapper`` has read it.
        """
        if not isinstance(items, (list, tuple)):
            raise TypeError(f"items must be a list, got {type(items).__name__}")
        connection = self._connections.current()  # also for an empty batch: it may be closed
        if not items:
            return
        new_items = await to_new_items(items, self._connections.state.counting)
        if self.policy is not None:
            self._connections.state.bypasses.by_encryption(self.session_id, from_sdk(items))
        if self._runs.knows(wrapper):  # it has read the session, so its owner was checked
            log, since = await self._unchecked_log(), self._runs.since(wrapper)
        else:
            log, since = await self._log_to_append()
        batch = self._runs.stamped(wrapper, from_sdk(items), new_items)
        head = await log.append(batch, since)
        self._runs.appended(wrapper, from_sdk(items), batch, head)
        connection.cards.touches.note(self.session_id, head, self.owner)
        connection.start_maintenance(self.policy, log)

    @traced
    async def pop_item(
        self, *, wrapper: RunContextWrapper[Any] | None = None
    ) -> TResponseInputItem | None:
        """Remove the newest item, exactly once, and return it; None if there is none.

        No read returns the item any more. Its document stays as a mark, with the item in
        ``popped``, until the server deletes it an hour later.

        On a standalone server, and with ``retryWrites=false``, a second item may be popped: if an
        attempt without an answer takes effect after the session has checked for it.
        """
        encoded = await (await self._log_of(wrapper)).pop()
        return None if encoded is None else cast("TResponseInputItem", decode(encoded))

    @traced
    async def clear_session(self, *, wrapper: RunContextWrapper[Any] | None = None) -> None:
        """Remove every item, in one atomic step. The session can be used again.

        No read returns the items any more. Then the content of each document is removed, and the
        server deletes the documents an hour later. If the removal fails, the call raises, and
        another clear or a read completes it.
        """
        await (await self._log_of(wrapper)).clear()

    async def flush(self) -> None:
        """Wait for the background work of the policy, such as a summary, in this event loop.

        For a serverless handler, before it returns. Work that a write has asked for is completed,
        and no further summary is begun. The card is written, too.
        """
        if connection := self._connections.existing():
            await connection.background.finish(self.session_id)
            await connection.cards.touches.flush(self.session_id)

    async def close(self, timeout: float = 10.0) -> None:
        """Close the client that :meth:`from_uri` made; do nothing for a session of a store."""
        if self._owns_connections:
            await self._connections.close(timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _replaceable_log(self) -> SessionLog | None:
        log, own = await self._log(), (type(self).get_items, type(self).add_items)
        # A replacement would bypass the methods of a subclass.
        is_overridden = own != (MongoSession.get_items, MongoSession.add_items)
        return log if log.log.has_transactions and not is_overridden else None
