"""What a store has in one event loop: client, log and background tasks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..cards.card_access import CardAccess
from ..concurrency.background import Background
from ..concurrency.single_flight import SingleFlight
from ..history.history import SessionHistory
from ..history.session_log import SessionLog
from ..log.indexes.index_specs import index_specs
from ..log.indexes.indexes import Indexes
from ..log.log import Log
from ..log.reads.diagnosis import Diagnosis
from ..log.server.deployment import Deployment
from ..log.server.retries import Retries
from ..log.server.server import Server
from ..policies import HasMaintenance
from .wake_ups import WakeUps

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..history.session_state import SessionState
    from ..policies import RetrievalPolicy
    from ..store_state import StoreState
    from .clients import Client


class Connection:
    """Everything of a store that belongs to one event loop. Nothing is read when it is made."""

    def __init__(self, client: Client, state: StoreState) -> None:
        options = state.options
        self.database = client.database
        self.client = client
        words = options.search.specs if options.search is not None else []
        specs = [*words, *index_specs(options.retention)]
        self.indexes = Indexes(self.database, options.collection, specs)
        self.background = Background()
        """Runs the maintenance of policies."""
        self.cleaning = Background()
        """Removes what a clear has left behind."""
        self.wake_ups = WakeUps()
        """Wakes the watchers of sessions."""
        self._state = state
        self._retries = Retries(Server(self.database.client), options.retry_for)
        self._log: Log | None = None
        self._open_log = SingleFlight(self._open)
        self._create_indexes = SingleFlight(self._create)
        self.cards = CardAccess(self.database, state, self._retries, self.log)

    async def log(self) -> Log:
        """The log. The first operation of a store looks at the indexes and at the deployment."""
        return self._log or await self._open_log()

    async def session_log(self, session_id: str, state: SessionState) -> SessionLog:
        """The log of one session; ``state`` is what its session object remembers."""
        return SessionLog(await self.log(), session_id, state)

    def history(self, log: SessionLog) -> SessionHistory:
        """The log of one session, as a policy sees it."""
        return SessionHistory(
            log,
            count_tokens=self._state.counting.one,
            background=self.background,
            first_chunks=self._state.first_chunks,
            count_check=self._state.count_check,
            cards=self.cards,
        )

    @property
    def diagnosis(self) -> Diagnosis:
        """Reads for a diagnosis of the collection."""
        return Diagnosis(self.database, self._state.options.collection, self._retries)

    def start_maintenance(self, policy: RetrievalPolicy | None, log: SessionLog) -> None:
        """Start the policy's slow work, if there may be any. Must not fail: all is written."""
        head = log.state.head
        if not isinstance(policy, HasMaintenance):
            return
        if head is not None and head.total_tokens < log.state.skip_maintenance_until:
            return
        self.background.start(log.session_id, partial(policy.maintain, self.history(log)))

    async def ensure_indexes(self) -> None:
        """Create the indexes that are missing, once per store."""
        if not self._state.indexes_were_created:
            await self._create_indexes()

    async def finish(self, seconds: float) -> None:
        """End the watches. Finish the background tasks of each kind within ``seconds``."""
        await self.wake_ups.close()
        await self.background.close(seconds)
        await self.cleaning.close(seconds)
        await self.cards.touches.close(seconds)

    async def _open(self) -> Log:
        state, options = self._state, self._state.options
        if not state.indexes_were_checked:
            if options.create_indexes:
                await self.ensure_indexes()
            else:
                await self._check_indexes(create=False)
        if state.deployment is None:
            state.deployment = await self._retries.run(lambda: Deployment.of(self.database))
        self._log = Log(
            self.database,
            options.collection,
            deployment=state.deployment,
            retries=self._retries,
            run_later=_leave if state.is_read_only else self.cleaning.start,
            word_index=options.search,
        )
        return self._log

    async def _create(self) -> None:
        await self._check_indexes(create=True)
        self._state.indexes_were_created = True

    async def check_collection(self) -> None:
        """Raise ForeignCollection if the documents are of another application."""
        await self._retries.run(self.indexes.refuse_foreign)

    async def _check_indexes(self, *, create: bool) -> None:
        await self.check_collection()
        # To build an index of a large collection takes long.
        await self._retries.run_long(lambda: self.indexes.ensure(create=create))
        self._state.indexes_were_checked = True


def _leave(_: str, __: Callable[[], Awaitable[bool]]) -> None:
    """Leave the rest of an interrupted clear to a store that may write."""
