"""The SDK's SQLAlchemySession on PostgreSQL: where there is one, and the packages for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from agents.extensions.memory.sqlalchemy_session import SQLAlchemySession
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from .contenders import Stored
from .data import batches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.items import TResponseInputItem

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
