"""The dates of the items in the SDK's sessions, from where these store them.

The SDK's protocol has no dates. Read are tables that the SDK documents by their names, columns and
arguments, through the public attributes of a session. The items themselves come from its
``get_items()``, and the rows must hold the same.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import closing, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from agents.extensions.memory import (
        AdvancedSQLiteSession,
        AsyncSQLiteSession,
        SQLAlchemySession,
    )
    from agents.memory import Session, SQLiteSession

    from ..policies import Item

Row: TypeAlias = "tuple[str, object]"
"""The JSON text of an item, and its date."""


async def dates_of(source: Session, items: Sequence[Item]) -> list[datetime] | None:
    """When each item was added, in UTC; None if the source does not store it.

    Raises:
        ValueError: what is stored is not what ``items`` are.
    """
    reader = _reader(type(source))
    rows = None if reader is None else await reader(source)
    if rows is None:
        return None
    dates: list[datetime] = []
    read: list[Item] = []
    for text, date in rows:
        with suppress(json.JSONDecodeError):  # the SDK skips it, too
            read.append(json.loads(text))
            dates.append(_in_utc(date))
    if read != items:
        raise ValueError(
            f"the dates of {type(source).__name__} {source.session_id!r} are not known: its table "
            "does not hold the items that get_items() returns. Stop its writers; if its table has "
            "another name, or it stores items in a form of its own, pass created_at="
        )
    return dates


def _in_utc(date: object) -> datetime:
    """A date as a database returns it; without a time zone, it is in UTC."""
    parsed = date if isinstance(date, datetime) else datetime.fromisoformat(str(date))
    return parsed.astimezone(timezone.utc) if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)


def _reader(kind: type) -> Callable[[Any], Awaitable[list[Row] | None]] | None:
    """The reader of a session of this class, without an import of the SDK's optional modules."""
    for base in kind.__mro__:
        if reader := _READERS.get((base.__module__, base.__name__)):
            return reader
    return None


async def _sqlite_rows(source: SQLiteSession | AsyncSQLiteSession) -> list[Row] | None:
    query = (
        f"SELECT message_data, created_at FROM {source.messages_table} "  # noqa: S608 - as the SDK
        "WHERE session_id = ? ORDER BY id"
    )
    return await _select(source.db_path, query, (source.session_id,))


async def _branch_rows(source: AdvancedSQLiteSession) -> list[Row] | None:
    branches = await source.list_branches()
    branch = next((one["branch_id"] for one in branches if one["is_current"]), None)
    query = (
        f"SELECT m.message_data, m.created_at FROM {source.messages_table} m "  # noqa: S608 - as the SDK
        "JOIN message_structure s ON m.id = s.message_id "
        "WHERE m.session_id = ? AND s.branch_id = ? ORDER BY s.sequence_number"
    )
    return await _select(source.db_path, query, (source.session_id, branch))


async def _select(path: str | Path, query: str, values: tuple[object, ...]) -> list[Row] | None:
    """The rows of a file; None for a database in memory, which has no other reader."""
    if str(path) == ":memory:":
        return None

    def select() -> list[Row]:
        import sqlite3  # noqa: PLC0415 - not every Python has it

        uri = f"{Path(path).resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            return connection.execute(query, values).fetchall()

    return await asyncio.to_thread(select)


async def _sqlalchemy_rows(source: SQLAlchemySession) -> list[Row]:
    from sqlalchemy import text  # noqa: PLC0415 - the source has imported it
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415

    query = text(
        "SELECT message_data, created_at FROM agent_messages "
        "WHERE session_id = :session_id ORDER BY created_at, id"
    )
    try:
        async with source.engine.connect() as connection:
            found = await connection.execute(query, {"session_id": source.session_id})
            return [cast("Row", tuple(row)) for row in found]
    except DBAPIError:  # no such table: this one has another name
        return []


_MEMORY = "agents.extensions.memory"
_READERS: dict[tuple[str, str], Callable[[Any], Awaitable[list[Row] | None]]] = {
    ("agents.memory.sqlite_session", "SQLiteSession"): _sqlite_rows,
    (f"{_MEMORY}.async_sqlite_session", "AsyncSQLiteSession"): _sqlite_rows,
    (f"{_MEMORY}.advanced_sqlite_session", "AdvancedSQLiteSession"): _branch_rows,
    (f"{_MEMORY}.sqlalchemy_session", "SQLAlchemySession"): _sqlalchemy_rows,
}
