"""One conversation, as the Agents SDK uses it."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from .clients import ClientPerLoop
from .compaction import snapshot
from .log.documents import NewItem, decode, encode
from .log.retries import run_to_completion
from .log.server import Explained, explaining
from .log.session_ids import check_session_id
from .policies import HasMaintenance, NeedsTokenCounts, starts_turn
from .policies.checks import check_coroutine_function, check_whole_number
from .policies.names import name_of
from .session_state import SessionState
from .settings import checked, for_the_sdk
from .storage import Storage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from agents.items import TResponseInputItem
    from agents.memory import SessionSettings
    from typing_extensions import Self, Unpack

    from .clients import DriverName
    from .compaction import CompactionSnapshot
    from .history import SessionHistory
    from .policies import Entry, Item, RetrievalPolicy
    from .settings import GivenSettings
    from .storage import StorageOptions


class MongoSession:
    """A conversation in MongoDB: an Agents SDK session.

    Made by :meth:`MongoSessionStore.session`, or by :meth:`from_uri` in a script. It is cheap, and
    does no I/O when it is made: make one per request, or keep it, as you like. Any number of them,
    anywhere, may use one ``session_id`` at once.

    Attributes:
        session_id: Names the conversation.
        policy: What decides which part of the history :meth:`get_items` shows.
        session_settings: The SDK's settings; may be set to a dict, too. Their limit is used where
            there is no policy.
    """

    def __init__(
        self,
        storage: Storage,
        session_id: str,
        *,
        policy: RetrievalPolicy | None = None,
        session_settings: GivenSettings = None,
    ) -> None:
        check_session_id(session_id)
        if policy is not None:
            check_coroutine_function("policy", policy)
        if isinstance(policy, HasMaintenance):
            check_coroutine_function("policy.maintain", policy.maintain)
        if isinstance(policy, NeedsTokenCounts) and not storage.counting.is_on:
            raise ValueError(f"{name_of(policy)} needs token counts, and token_counter is None")
        self.session_id = session_id
        self.policy = policy
        self._storage = storage
        self._settings = checked(session_settings, policy)
        self._owns_storage = False
        self._state = SessionState()

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
        **options: Unpack[StorageOptions],
    ) -> Self:
        """A session with a client of its own, for scripts; ``options`` are the store's.

        ``driver`` is ``"motor"`` or ``"pymongo"``.

        Close it, or use it in ``async with``. An application makes one store instead.
        """
        storage = Storage(ClientPerLoop(uri, database, driver), **options)
        session = cls(storage, session_id, policy=policy, session_settings=session_settings)
        session._owns_storage = True
        return session

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.session_id!r})"

    def _sdk_settings(self) -> SessionSettings:
        on_limit = None
        if self.policy is not None:
            on_limit = partial(self._storage.bypasses.by_limit, self.session_id)
        self._settings = for_the_sdk(self._settings, on_limit)
        return self._settings

    def _set_settings(self, given: GivenSettings) -> None:
        self._settings = checked(given, self.policy)

    # The SDK's protocol declares an attribute. Pyright does not take a property for one.
    session_settings: SessionSettings | None = cast("Any", property(_sdk_settings, _set_settings))

    @explaining
    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """Return what the model is to see, oldest first.

        Args:
            limit: None gives the policy's view (everything, without a policy). A number gives the
                newest so many items exactly as they were added, whatever the policy: this is how
                the SDK reads back what it wrote. 0 gives none.

        Raises:
            ValueError: ``limit`` is negative.
        """
        if limit is None and self.policy is not None:
            return _view(self.policy, await (await self._history()).view(self.policy))
        if limit is None and self._settings is not None:
            limit = self._settings.limit
        if limit is not None:
            check_whole_number("limit", limit, at_least=0)
        history = await self._history()
        return _for_sdk(await history.newest_items(limit))

    @explaining
    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Append a batch: all of it or nothing, exactly once, next to each other.

        One item is one insert, several are one transaction. After a network error or an election,
        the session finds out whether the batch was written, and tries again until it is, for at
        most ``retry_for`` seconds. Then it raises the driver's error or ServerUnavailable. A
        cancelled call first settles, unless the event loop itself ends.

        Group commit: concurrent appends to one session in this process become one transaction. Each
        batch still has its place and its outcome for itself, and waits for ``retry_for`` seconds at
        most, its turn included (``pymongo.timeout`` around the call changes nothing: it would apply
        to the whole group).

        Each item takes a new place: ``seq`` has gaps where items were removed. A session object
        that appends again within five minutes without a read may not know of items that another
        worker popped meanwhile. The running total goes on counting them; it only ever grows.

        A standalone server has no transactions. A batch is one ordered insert there: should the
        server die in the middle, the first part of the batch may stay, and where others append
        meanwhile, a batch may end up in two parts.

        Raises:
            InvalidItem: an item is not a JSON object. Nothing was written.
            ItemTooLarge: an item is larger than a MongoDB document. Nothing was written.
        """
        if not isinstance(items, (list, tuple)):
            raise TypeError(f"items must be a list, got {type(items).__name__}")
        self._storage.database()  # or an empty batch would not hear that the store is closed
        if not items:
            return
        new_items = await self._checked_and_counted(cast("Sequence[Item]", items))
        if self.policy is not None:
            self._storage.bypasses.by_encryption(self.session_id, cast("Sequence[Item]", items))
        log, history = await self._storage.log(), await self._history()
        head, self._state.head = self._state.head, None
        self._state.head = await run_to_completion(log.append(self.session_id, new_items, head))
        self._maintain(history)

    @explaining
    async def pop_item(self) -> TResponseInputItem | None:
        """Remove the newest item, exactly once, and return it; None if there is none.

        The item is out of every read and out of ``item`` in its document at once. The document
        itself stays as a mark, with the item in ``popped``, until the server deletes it an hour
        later.

        A standalone server, and a client with ``retryWrites=false``, can pop a second item if an
        attempt whose answer was lost takes place only after the session has looked for it.
        """
        log = await self._storage.log()
        self._state.forget()
        encoded = await run_to_completion(log.pop(self.session_id))
        return None if encoded is None else cast("TResponseInputItem", decode(encoded))

    @explaining
    async def clear_session(self) -> None:
        """Remove everything of this session, in one atomic step. The id may be used again.

        What was stored is out of every read at once. Then the content of each document is removed,
        and an hour later the server deletes the documents. If that fails in the middle, the call
        raises, and another clear or a read finishes it.
        """
        log = await self._storage.log()
        self._state.forget()
        await run_to_completion(log.clear(self.session_id))

    # Private names of the SDK: its compaction session looks for them.

    @explaining
    async def _get_compaction_snapshot(
        self, limit: int, *, prune_prefix: Callable[[TResponseInputItem], bool] | None = None
    ) -> CompactionSnapshot | None:
        """The newest items, to be replaced by fewer; None if only clear and add can do it."""
        log = await self._storage.log()
        if not log.has_transactions or self._reads_or_adds_otherwise():
            return None
        history = await self._history()
        may_prune = cast("Callable[[Item], bool] | None", prune_prefix)
        return await snapshot(log, history, limit, may_prune, self._checked_and_counted)

    @explaining
    async def _atomic_replace_items(self, items: list[TResponseInputItem]) -> bool:
        """Replace everything; return False if only clear and add can do it."""
        log = await self._storage.log()
        if not log.has_transactions or self._reads_or_adds_otherwise():
            return False
        new_items = await self._checked_and_counted(cast("Sequence[Item]", items))
        self._state.forget()
        await run_to_completion(log.replace_all(self.session_id, new_items))
        return True

    def _reads_or_adds_otherwise(self) -> bool:
        """Whether a subclass has its own way with items, which a replacement would bypass."""
        own = type(self)
        return (
            own.get_items is not MongoSession.get_items
            or own.add_items is not MongoSession.add_items
        )

    async def entries(self, after_seq: int = 0) -> AsyncIterator[Entry]:
        """Everything stored with a seq above ``after_seq``, oldest first: for a chat's display.

        Read in chunks, so that the length of a conversation does not matter. The seq of the last
        entry shown is where to go on later, also while others append, pop and clear: each new item
        has a larger one. Only where everything from there on was removed more than an hour ago, and
        nothing was added since, a place is used again.
        """
        check_whole_number("after_seq", after_seq, at_least=0)
        with Explained():
            history = await self._history()
        read = explaining(history.oldest_first(after_seq).__anext__)
        with suppress(StopAsyncIteration):
            while True:
                yield await read()

    async def flush(self) -> None:
        """Wait for what the policy does in the background of this event loop: a summary, say.

        For a serverless handler, before it returns. What its writes have asked for comes to its
        end. A session that is far behind does not catch up here: no further summary is begun.
        """
        await self._storage.background.finish(self.session_id)

    async def close(self, timeout: float = 10.0) -> None:
        """Close the client that :meth:`from_uri` made, as a store does; otherwise nothing."""
        if self._owns_storage:
            await self._storage.close(timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _checked_and_counted(self, items: Sequence[Item]) -> list[NewItem]:
        if not items:
            return []
        encoded, sizes = zip(
            *(encode(item, f"items[{index}]") for index, item in enumerate(items)), strict=True
        )
        counts = await self._storage.counting.all(items, sum(sizes))
        return [
            NewItem(p, size, tokens, starts_turn(item))
            for p, size, tokens, item in zip(encoded, sizes, counts, items, strict=True)
        ]

    def _maintain(self, history: SessionHistory) -> None:
        """Start the policy's slow work, if it can have any.

        All is written by then, so nothing in here may fail.
        """
        policy, head = self.policy, self._state.head
        if policy is None or not isinstance(policy, HasMaintenance):
            return
        if head is not None and head.total_tokens < self._state.skip_maintenance_until:
            return
        self._storage.background.start(self.session_id, partial(policy.maintain, history))

    async def _history(self) -> SessionHistory:
        return await self._storage.history(self.session_id, self._state)


def _view(policy: RetrievalPolicy, view: object) -> list[TResponseInputItem]:
    """Check what a policy returned: an Entry for its item would go on to the model."""
    expected = f"policy {name_of(policy)} must return a list of items, which are dicts; got"
    if not isinstance(view, list):
        raise TypeError(f"{expected} {type(view).__name__}")
    for index, item in enumerate(view):
        if not isinstance(item, dict):
            raise TypeError(f"{expected} {type(item).__name__} at index {index}")
    return _for_sdk(view)


def _for_sdk(items: list[Item]) -> list[TResponseInputItem]:
    return cast("list[TResponseInputItem]", items)
