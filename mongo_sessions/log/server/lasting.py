"""Reads that no election rolls back, and that see every acknowledged write."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from .drivers import maybe_await

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..documents import Document
    from .drivers import AnyDriver
    from .retries import Retries

T = TypeVar("T")

# For the read of another task. A reader has a deadline of its own, which this must not exceed far.
_WAIT_SECONDS = 2.0
_BATCH = 10_000


class _Election(NamedTuple):
    """A primary and its election."""

    address: tuple[str, int | None]
    election_id: object


class LastingReads:
    """Reads of one collection from the primary.

    Read concern "majority" returns the data that the primary knows to be on a majority of the
    members. A new primary has every acknowledged write, but learns that a majority has it only when
    its own first write is on a majority. So a read with "majority" may miss acknowledged writes in
    the first moments after an election. A read with "linearizable" does not: it reads the data of
    the primary, and waits until a later write is on a majority.

    So reads are linearizable until one has succeeded since the last election, and then use
    "majority", which does not wait. A linearizable read takes as long as a write, and fails while
    no majority of the members can be reached. It needs no other rights. Concurrent reads wait for
    one linearizable read.

    The driver's monitor reports an election. If it does so during a read with "majority", the read
    is repeated.

    Without elections (a standalone server), every read uses "majority". So do reads through a
    mongos, which does not report the elections of its shards: in the first moments after one, a
    read there may miss acknowledged writes.
    """

    def __init__(
        self,
        majority: AnyDriver,
        linearizable: AnyDriver,
        *,
        has_elections: bool,
        retries: Retries,
    ) -> None:
        self._majority = majority
        self._linearizable = linearizable
        self._has_elections = has_elections
        self._retries = retries
        self._confirmed: _Election | None = None
        self._confirming: asyncio.Future[None] | None = None

    @property
    def collection(self) -> str:
        """The name of the collection, for ``$unionWith``."""
        return str(self._majority.name)

    async def retry(self, command: Callable[[AnyDriver], Awaitable[T]]) -> T:
        """:meth:`read`, retried after transient errors."""
        return await self._retries.run(lambda: self.read(command))

    async def find_one(
        self, query: Document, fields: Document | list[str] | None, sort: list[tuple[str, int]]
    ) -> Document | None:
        """The first document that matches ``query``: all or these fields of it; retried."""
        found: Document | None = await self.retry(
            lambda items: items.find_one(query, fields, sort=sort)
        )
        return found

    async def find(
        self,
        query: Document,
        fields: Document | list[str] | None,
        sort: list[tuple[str, int]],
        limit: int,
    ) -> list[Document]:
        """The first ``limit`` documents (0: all) that match ``query``; retried."""

        async def find(items: AnyDriver) -> list[Document]:
            cursor = items.find(query, fields).sort(sort).limit(limit)
            # By default, the first answer of the server has 101 documents at most.
            found: list[Document] = await cursor.batch_size(limit or _BATCH).to_list(None)
            return found

        return await self.retry(find)

    async def aggregate(self, pipeline: list[Document]) -> list[Document]:
        """The result of ``pipeline``; retried."""

        async def aggregate(items: AnyDriver) -> list[Document]:
            cursor = await maybe_await(items.aggregate(pipeline))
            found: list[Document] = await cursor.to_list(None)
            return found

        return await self.retry(aggregate)

    async def read(self, command: Callable[[AnyDriver], Awaitable[T]]) -> T:
        """Call ``command`` with the collection, perhaps twice, and return its result."""
        if not self._has_elections:
            return await command(self._majority)
        if self._confirming is not None and not self._is_confirmed():
            # Once, and not for long: if that read fails or hangs, each reader finds out by itself.
            await asyncio.wait({self._confirming}, timeout=_WAIT_SECONDS)
        if self._is_confirmed():
            election = self._confirmed
            found = await command(self._majority)
            if self._election() == election:
                return found
        return await self._confirm(command)

    async def _confirm(self, command: Callable[[AnyDriver], Awaitable[T]]) -> T:
        election = self._election()
        confirming = self._confirming = asyncio.get_running_loop().create_future()
        try:
            found = await command(self._linearizable)
            if election is not None:
                self._confirmed = election  # the read was answered after it, or after a later one
            return found
        finally:
            confirming.set_result(None)
            if self._confirming is confirming:
                self._confirming = None

    def _is_confirmed(self) -> bool:
        election = self._election()
        return election is not None and election == self._confirmed

    def _election(self) -> _Election | None:
        """The election of the primary that the driver knows; None if it knows no primary."""
        topology = self._majority.database.client.topology_description
        for server in topology.server_descriptions().values():
            if server.server_type_name == "RSPrimary":
                return _Election(server.address, server.election_id)
        return None
