"""A database of the SDK's MongoDBSession."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pymongo
from agents.extensions.memory import MongoDBSession
from bson import ObjectId

from ...connection.own_clients import OwnClients
from ...log.server.server import Explained
from ..opening import uri_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from datetime import datetime

    from ...log.server.drivers import AnyDriver
    from ..target import Target

_DATABASE = "agents"  # the SDK's default


class _MongoDBSource:
    errors = ()  # the target has the same

    def __init__(self, database: AnyDriver) -> None:
        self._database = database

    async def session_ids(self) -> AsyncIterator[str]:
        sessions = self._database["agent_sessions"].find({}, {"_id": 0, "session_id": 1})
        async for session in sessions.sort("session_id", 1):
            yield session["session_id"]

    @asynccontextmanager
    async def session(self, session_id: str) -> AsyncIterator[MongoDBSession]:
        client = self._database.client
        yield MongoDBSession(session_id, client=client, database=self._database.name)

    async def dates(self, session_id: str) -> list[datetime] | None:
        """The second in which the batch of each item was added: it is in the batch's id."""
        of_session = {"session_id": session_id}
        session = await self._database["agent_sessions"].find_one(of_session) or {}
        # What was cleared is of an older generation, and may still be stored.
        generation = session.get("_generation", 0)
        query = {**of_session, "generation": generation or {"$in": [0, None]}}
        dates: list[datetime] = []
        async for batch in self._database["agent_messages"].find(query).sort("seq", 1):
            if not isinstance(batch["_id"], ObjectId):
                return None
            dates += [batch["_id"].generation_time for _ in _readable(batch.get("message_data"))]
        return dates


def _readable(data: Any) -> Iterator[Any]:  # noqa: ANN401 - as it is stored
    """The items of a batch; the SDK leaves out what is not JSON."""
    for text in data if isinstance(data, list) else [data]:
        try:
            yield json.loads(text)
        except (json.JSONDecodeError, TypeError):
            continue


@asynccontextmanager
async def mongodb_source(text: str, target: Target) -> AsyncIterator[_MongoDBSource]:
    """The sessions of a database: of the target's server, or of another one."""
    rest = text.partition(":")[2]
    if rest.startswith("//"):
        path = rest.partition("?")[0].removeprefix("//").rpartition("@")[2].partition("/")[2]
        clients = OwnClients(text, unquote(path) or _DATABASE, "pymongo")
    else:
        clients = OwnClients(uri_of(target), rest or target.database, "pymongo")
    client = clients.connect()
    try:
        with Explained(), pymongo.timeout(target.seconds):
            await client.database.command("ping")
        yield _MongoDBSource(client.database)
    finally:
        await client.close()
