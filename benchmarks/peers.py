"""The SDK's own sessions, each made and used as its documentation describes."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from agents import SQLiteSession
from agents.extensions.memory.mongodb_session import MongoDBSession
from agents.extensions.memory.redis_session import RedisSession
from agents.extensions.memory.sqlalchemy_session import SQLAlchemySession
from redis.asyncio import BlockingConnectionPool, Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from .contenders import Stored
from .data import batches
from .ours import MONGO_GUARANTEE, server_version, stored_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agents.items import TResponseInputItem
    from agents.memory import Session

    from mongo_sessions.log.server.drivers import AnyDriver


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
    """For contenders that store a batch as single items."""
    for start in range(0, len(items), FILL_BATCH):
        await session.add_items(list(items[start : start + FILL_BATCH]))


_MANY = 1_000


class SdkPostgres:
    """SQLAlchemySession on PostgreSQL through asyncpg, with an engine for all sessions."""

    kept_as = "a row an item, in PostgreSQL"
    guarantee = "in one server's write-ahead log, synced (fsync and synchronous_commit are on)"

    def __init__(self, name: str, url: str, namespace: str) -> None:
        self.name = name
        self._engine = create_async_engine(url)
        self._sessions, self._messages = f"{namespace}_sessions", f"{namespace}_messages"

    def session(self, session_id: str) -> SQLAlchemySession:
        return SQLAlchemySession(
            session_id,
            engine=self._engine,
            create_tables=True,
            sessions_table=self._sessions,
            messages_table=self._messages,
        )

    async def fill(self, session_id: str, items: Sequence[TResponseInputItem]) -> None:
        """The rows that it would write itself, for the batches of a Runner, a second apart.

        Not by a few large batches: all rows of a batch have the same time, by which they are sorted
        before anything else, and reading the newest would sort thousands.
        """
        await self.session(session_id).get_items(limit=1)  # makes the tables
        rows = [
            {"session": session_id, "data": json.dumps(item, separators=(",", ":")), "age": age}
            for age, batch in zip(range(len(items), 0, -1), batches(items), strict=False)
            for item in batch
        ]
        insert = f"""
            INSERT INTO {self._messages} (session_id, message_data, created_at)
            VALUES (:session, :data, CURRENT_TIMESTAMP - CAST(:age AS int) * INTERVAL '1 second')
        """  # noqa: S608 - the name of the table is ours
        parent = f"INSERT INTO {self._sessions} (session_id) VALUES (:session)"  # noqa: S608
        async with self._engine.begin() as connection:
            await connection.execute(text(parent), {"session": session_id})
            await connection.execute(text(insert), rows)
            if len(rows) > _MANY:
                # As the server does it by itself, later.
                await connection.execute(text(f"ANALYZE {self._messages}"))

    async def stored(self) -> Stored:
        size = text("SELECT pg_total_relation_size(to_regclass(:t))")
        async with self._engine.connect() as connection:
            sizes = [
                await connection.scalar(size, {"t": table})
                for table in (self._sessions, self._messages)
            ]
        return Stored(None, sum(sizes))

    async def version(self) -> str:
        async with self._engine.connect() as connection:
            return f"PostgreSQL {await connection.scalar(text('SHOW server_version'))}"

    async def close(self) -> None:
        async with self._engine.begin() as connection:
            for table in (self._messages, self._sessions):
                await connection.execute(text(f"DROP TABLE IF EXISTS {table}"))
        await self._engine.dispose()


# As many as a client of MongoDB has.
_CONNECTIONS = 100


class SdkRedis:
    """RedisSession, with a client for all sessions."""

    kept_as = "a list in Redis"
    guarantee = "in one server's memory; its file is synced every second (appendfsync everysec)"

    def __init__(self, name: str, url: str, namespace: str) -> None:
        self.name = name
        # The default pool raises an error when all connections are in use.
        pool = BlockingConnectionPool.from_url(url, max_connections=_CONNECTIONS)
        self._redis = Redis.from_pool(pool)
        self._prefix = namespace

    def session(self, session_id: str) -> RedisSession:
        return RedisSession(session_id, redis_client=self._redis, key_prefix=self._prefix)

    async def fill(self, session_id: str, items: Sequence[TResponseInputItem]) -> None:
        await fill_by_adding(self.session(session_id), items)

    async def stored(self) -> Stored:
        """In memory: that is where it keeps things."""
        sizes = [await self._redis.memory_usage(key, samples=0) for key in await self._keys()]
        return Stored(None, sum(size or 0 for size in sizes))

    async def version(self) -> str:
        return f"Redis {(await self._redis.info('server'))['redis_version']}"

    async def close(self) -> None:
        if keys := await self._keys():
            await self._redis.delete(*keys)
        await self._redis.aclose()

    async def _keys(self) -> list[bytes]:
        return [key async for key in self._redis.scan_iter(f"{self._prefix}:*", count=1_000)]
