"""The SDK's own sessions, each made and used as its documentation has it."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from agents import SQLiteSession
from agents.extensions.memory.mongodb_session import MongoDBSession

from .contenders import Stored
from .data import batches
from .mongo import MONGO_GUARANTEE, server_version, stored_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agents.items import TResponseInputItem
    from agents.memory import Session

    from mongo_sessions.log.drivers import AnyDriver

FILL_BATCH = 5_000
_CHUNK = 10_000


class SdkMongo:
    """MongoDBSession, which takes PyMongo's async client alone."""

    kept_as = "a document a batch"
    guarantee = MONGO_GUARANTEE

    def __init__(self, name: str, database: AnyDriver) -> None:
        self.name = name
        self._database = database

    def session(self, session_id: str) -> MongoDBSession:
        return MongoDBSession(
            session_id, client=self._database.client, database=self._database.name
        )

    async def fill(self, session_id: str, items: Sequence[TResponseInputItem]) -> None:
        """The documents that it would write itself, for the batches of a Runner."""
        await self.session(session_id).get_items(limit=1)  # makes the indexes
        now = datetime.now(timezone.utc)
        newest = -1
        documents = []
        for batch in batches(items):
            newest += len(batch)
            data = [json.dumps(item, separators=(",", ":")) for item in batch]
            place = {"session_id": session_id, "seq": newest, "generation": 0}
            documents.append({**place, "message_data": data})
        for start in range(0, len(documents), _CHUNK):
            chunk = documents[start : start + _CHUNK]
            await self._database["agent_messages"].insert_many(chunk, ordered=False)
        counter = {"session_id": session_id, "_generation": 0, "_seq": len(items)}
        await self._database["agent_sessions"].insert_one(
            {**counter, "created_at": now, "updated_at": now}
        )

    async def stored(self) -> Stored:
        return await stored_bytes(self._database, ["agent_messages", "agent_sessions"])

    async def version(self) -> str:
        return await server_version(self._database)

    async def close(self) -> None:
        pass


class SdkSQLite:
    """SQLiteSession on a file. It keeps a connection for each session and thread until closed."""

    kept_as = "a row an item, in a file"
    guarantee = "in the file's write-ahead log (WAL, with SQLite's default synchronous mode)"

    def __init__(self, name: str, file: Path) -> None:
        self.name = name
        self._file = file
        self._opened: list[SQLiteSession] = []

    def session(self, session_id: str) -> SQLiteSession:
        self._opened.append(SQLiteSession(session_id, self._file))
        return self._opened[-1]

    async def fill(self, session_id: str, items: Sequence[TResponseInputItem]) -> None:
        await fill_by_adding(self.session(session_id), items)

    async def stored(self) -> Stored:
        await self.close()  # the last connection to go writes the log back
        return Stored(None, self._file.stat().st_size)

    async def version(self) -> str:
        return f"SQLite {sqlite3.sqlite_version}"

    async def close(self) -> None:
        while self._opened:
            self._opened.pop().close()


async def fill_by_adding(session: Session, items: Sequence[TResponseInputItem]) -> None:
    """For those that keep a batch as they keep its items."""
    for start in range(0, len(items), FILL_BATCH):
        await session.add_items(list(items[start : start + FILL_BATCH]))
