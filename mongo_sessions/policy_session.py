"""A policy around any session of the Agents SDK."""

from __future__ import annotations

import asyncio
import logging
from copy import deepcopy
from functools import partial
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from .concurrency.background import Background
from .counting.cached_counts import CachedCounts, content_key
from .policies import HasMaintenance, ListHistory, TiktokenCounter, view_of
from .policies.checks import check_callable
from .policies.names import name_of
from .policy_checks import check_policy
from .session.settings import checked, for_the_sdk

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agents.items import TResponseInputItem
    from agents.memory import Session, SessionSettings
    from agents.run_context import RunContextWrapper

    from .policies import Item, RetrievalPolicy, TokenCounter
    from .session.settings import GivenSettings

logger = logging.getLogger("mongo_sessions")

_DEFAULT_COUNTER = TiktokenCounter()
_BY_KEYWORD = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


class PolicySession:
    """A session whose :meth:`get_items` returns the view of a policy over another session.

    For any session of the SDK: ``SQLiteSession``, or one around a :class:`MongoSession`, such as
    ``EncryptedSession``. A ``MongoSession`` itself has a policy of its own, which is cheaper; give
    the one inside ``EncryptedSession`` ``policy=None``.

    The costs, which a ``MongoSession`` does not have:

    - Every :meth:`get_items` without a limit reads the whole session. A policy with ``maintain``,
      such as :class:`SummarizeOlder`, reads it again after each write.
    - All items stay in the memory of this object, with their token counts. New items are counted
      once. Keep the object between runs: a new one counts all items again.
    - Summaries exist in the memory of this object only. A new object makes them again, and so does
      each process. The session stores no dates: a summary names the time of the first read.

    Args:
        session: Stores the items. Its ``session_settings`` must not have a limit: with a limit, the
            SDK asks for the newest items as they are.
        policy: Any policy.
        token_counter: Counts the items.

    Raises:
        TypeError: the policy is not a coroutine function, or the counter not a callable.
        ValueError: the session has a limit.
    """

    def __init__(
        self,
        session: Session,
        policy: RetrievalPolicy,
        *,
        token_counter: TokenCounter = _DEFAULT_COUNTER,
    ) -> None:
        check_policy(policy, has_token_counts=True)
        check_callable("token_counter", token_counter)
        checked(session.session_settings, policy)
        self.session = session
        self.policy = policy
        self.session_id = session.session_id
        self._takes_wrapper = _takes_wrapper(session)
        self._counts = CachedCounts(token_counter)
        self._history = _KnownItems(session.session_id, self._counts, self._run_in_background)
        self._known: list[bytes] = []
        """The contents of its items. Not the items: the session may have changed them in place."""
        self._in_loop: _InLoop | None = None
        self._has_warned = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({name_of(self.session)}, {name_of(self.policy)})"

    def _sdk_settings(self) -> SessionSettings:
        return for_the_sdk(self.session.session_settings, self._warn_of_limit)

    def _set_settings(self, given: GivenSettings) -> None:
        self.session.session_settings = checked(given, self.policy)

    # The SDK's protocol declares an attribute, and Pyright does not accept a property for one.
    session_settings: SessionSettings | None = cast("Any", property(_sdk_settings, _set_settings))

    async def get_items(
        self, limit: int | None = None, *, wrapper: RunContextWrapper[Any] | None = None
    ) -> list[TResponseInputItem]:
        """Return the policy's view; with ``limit``, what the session itself returns."""
        if limit is not None:
            return await self.session.get_items(limit, **self._passed_on(wrapper))
        view = await view_of(self.policy, await self._read(wrapper))
        # A caller that changes an item must not change what is known here.
        return cast("list[TResponseInputItem]", deepcopy(view.items))

    async def add_items(
        self,
        items: list[TResponseInputItem],
        *,
        wrapper: RunContextWrapper[Any] | None = None,
    ) -> None:
        """Append items to the session. Start the policy's slow work in the background."""
        await self.session.add_items(items, **self._passed_on(wrapper))
        if items and isinstance(self.policy, HasMaintenance):
            work = partial(self._maintain, self.policy, wrapper)
            self._here().background.start(self.session_id, work)

    async def pop_item(
        self, *, wrapper: RunContextWrapper[Any] | None = None
    ) -> TResponseInputItem | None:
        """Remove the newest item of the session, and return it; None if there is none."""
        return await self.session.pop_item(**self._passed_on(wrapper))

    async def clear_session(self, *, wrapper: RunContextWrapper[Any] | None = None) -> None:
        """Remove every item of the session."""
        await self.session.clear_session(**self._passed_on(wrapper))

    async def flush(self) -> None:
        """Wait for the background work of the policy, in this event loop."""
        await self._here().background.finish(self.session_id)

    async def _maintain(
        self, policy: HasMaintenance, wrapper: RunContextWrapper[Any] | None
    ) -> bool:
        return await policy.maintain(await self._read(wrapper))

    async def _read(self, wrapper: RunContextWrapper[Any] | None) -> ListHistory:
        """All items. What is known of the first ones is kept, up to the first one that changed."""
        async with self._here().reading:
            stored = cast("list[Item]", await self.session.get_items(**self._passed_on(wrapper)))
            contents = list(map(content_key, stored))
            pairs = zip(self._known, contents, strict=False)
            same = next(
                (n for n, (known, content) in enumerate(pairs) if known != content),
                min(len(self._known), len(contents)),
            )
            await self._counts.prepare(stored[same:])
            self._history.keep(same)
            del self._known[same:]
            for item in stored[same:]:
                self._history.append(item)
            self._known = contents
        return self._history

    def _passed_on(self, wrapper: RunContextWrapper[Any] | None) -> dict[str, Any]:
        return {"wrapper": wrapper} if self._takes_wrapper else {}

    def _here(self) -> _InLoop:
        """What belongs to the running event loop."""
        loop = asyncio.get_running_loop()
        if self._in_loop is None or self._in_loop.loop is not loop:
            self._in_loop = _InLoop(loop, Background(), asyncio.Lock())
        return self._in_loop

    async def _run_in_background(self, work: Callable[[], Awaitable[bool]], seconds: float) -> None:
        await self._here().background.join(self.session_id, work, seconds)

    def _warn_of_limit(self, limit: int) -> None:
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "RunConfig(session_settings=SessionSettings(limit=%d)) bypasses the policy of "
                "session %r: with a limit, the SDK asks for the newest items as they are. Take "
                "the limit out of the RunConfig, or use the session inside (logged once)",
                limit,
                self.session_id,
            )


class _InLoop(NamedTuple):
    """Tasks and locks of one event loop."""

    loop: asyncio.AbstractEventLoop
    background: Background
    reading: asyncio.Lock
    """An earlier read must not overwrite what a later one found."""


class _KnownItems(ListHistory):
    """The items of a session as they were read last, with the summaries of a policy."""

    def __init__(
        self,
        session_id: str,
        token_counter: TokenCounter,
        run_in_background: Callable[[Callable[[], Awaitable[bool]], float], Awaitable[None]],
    ) -> None:
        super().__init__([], token_counter=token_counter)
        self.session_id = session_id
        self._run_in_background = run_in_background

    async def run_in_background(self, work: Callable[[], Awaitable[bool]], seconds: float) -> None:
        # With the work that a write starts: two tasks would pay for one summary twice.
        await self._run_in_background(work, seconds)


def _takes_wrapper(session: Session) -> bool:
    """Whether the SDK passes the run's context to a session: to all four methods, or to none."""
    methods = (session.get_items, session.add_items, session.pop_item, session.clear_session)
    return all(
        (found := signature(method).parameters.get("wrapper")) and found.kind in _BY_KEYWORD
        for method in methods
    )
