"""Mark the newest place of a session, exactly once: the common part of pop and clear."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pymongo

from ..places import NEWEST_FIRST
from ..server.drivers import AnyDriver, maybe_await
from ..server.retries import is_transient_or_conflict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from ..documents import Document
    from ..server.deployment import Deployment
    from ..server.lasting import LastingReads
    from ..server.retries import Backoff, Retries


class Marker:
    """Changes the newest document of a session in one atomic step.

    All attempts of one call use one session of the driver, which numbers them. The server refuses
    an attempt that arrives after one with a higher number. So before a retry, a write that changes
    nothing fences off the earlier attempts; their outcome is known from then on.

    Writes are not numbered on a standalone server, nor with ``retryWrites=false``. There, an
    attempt whose answer was lost may be applied after the check for its outcome. Then it marks a
    second document: the newest at that time, which may have been added after the call. A
    transaction would be numbered, but does not conflict with a document that is appended between
    its read and its commit: readers would see an item above the one that is then popped.
    """

    def __init__(
        self,
        items: AnyDriver,
        lasting: LastingReads,
        *,
        deployment: Deployment,
        retries: Retries,
    ) -> None:
        self._items = items
        self._lasting = lasting
        self._deployment = deployment
        self._retries = retries

    async def mark_newest(
        self,
        query: Mapping[str, Any],
        changes: list[dict[str, Any]],
        *,
        marked: Mapping[str, Any],
        fields: list[str],
    ) -> tuple[Document | None, Document | None]:
        """Change the newest document that matches ``query``; return ``fields`` before or after.

        The first result is the document before the change; None if no document matches. If the
        answer was lost, the second result is the document after the change, found by ``marked``.
        """
        backoff = self._retries.backoff()
        with pymongo.timeout(self._retries.seconds):
            async with self._driver_session() as session:
                in_session = {} if session is None else {"session": session}
                async for attempt in backoff.attempts(is_transient_or_conflict):
                    with attempt:
                        if attempt.may_have_landed:
                            after = await self._find_marked(query, marked, fields, session, backoff)
                            if after is not None:
                                return None, after
                        with backoff.time_limit():
                            before = await self._find_and_change(query, changes, fields, in_session)
        return before, None

    async def _find_marked(
        self,
        query: Mapping[str, Any],
        marked: Mapping[str, Any],
        fields: list[str],
        session: AnyDriver,
        backoff: Backoff,
    ) -> Document | None:
        """The document that an earlier attempt has changed, after fencing off that attempt."""
        with backoff.time_limit():
            if session is not None:
                await self._items.update_one(_fence(query), {"$set": {"seq": 0}}, session=session)
            return await self._lasting.read(lambda items: items.find_one(marked, fields))

    async def _find_and_change(
        self,
        query: Mapping[str, Any],
        changes: list[dict[str, Any]],
        fields: list[str],
        in_session: Mapping[str, Any],
    ) -> Document | None:
        found: Document | None
        if self._deployment.has_clock:
            found = await self._items.find_one_and_update(
                query, changes, projection=fields, sort=NEWEST_FIRST, **in_session
            )
        else:  # mongomock: its find_one_and_update takes no pipeline
            found = await self._items.find_one(query, fields, sort=NEWEST_FIRST)
            if found is not None:
                await self._items.update_one({"_id": found["_id"]}, changes)
        return found

    @asynccontextmanager
    async def _driver_session(self) -> AsyncIterator[AnyDriver]:
        if not self._deployment.has_transactions:
            yield None
            return
        async with await maybe_await(self._items.database.client.start_session()) as session:
            yield session


def _fence(query: Mapping[str, Any]) -> dict[str, Any]:
    """Matches no document: places start at 1."""
    return {"session_id": query["session_id"], "seq": 0}
