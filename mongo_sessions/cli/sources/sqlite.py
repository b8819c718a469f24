"""A file of SQLiteSession, AsyncSQLiteSession or AdvancedSQLiteSession."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING

from agents import SQLiteSession
from agents.extensions.memory import AdvancedSQLiteSession

from ..target import no, wrong_usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

_IDS = "SELECT DISTINCT session_id FROM agent_messages ORDER BY session_id"
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"


class _SQLiteSource:
    errors = (sqlite3.Error,)

    def __init__(self, path: Path, *, is_advanced: bool) -> None:
        self._path = path
        self._is_advanced = is_advanced

    async def session_ids(self) -> AsyncIterator[str]:
        for session_id in await asyncio.to_thread(_column, self._path, _IDS):
            yield session_id

    @asynccontextmanager
    async def session(self, session_id: str) -> AsyncIterator[SQLiteSession]:
        session: SQLiteSession
        if self._is_advanced:
            session = AdvancedSQLiteSession(session_id=session_id, db_path=self._path)
        else:
            session = SQLiteSession(session_id, self._path)
        with closing(session):
            yield session

    async def dates(self, session_id: str) -> list[datetime] | None:  # noqa: ARG002 - import_session reads them
        return None


@asynccontextmanager
async def sqlite_source(path: str) -> AsyncIterator[_SQLiteSource]:
    """The sessions of a file, which must exist: the SDK would make one."""
    file = Path(path)
    try:
        tables = await asyncio.to_thread(_column, file, _TABLES)
    except sqlite3.Error as error:
        raise wrong_usage(f"--from: {path}: {error}") from None
    if "agent_messages" not in tables:
        raise no(
            f"--from: {path} has no table agent_messages; if the sessions have tables of other "
            "names, use import_session in Python"
        )
    yield _SQLiteSource(file, is_advanced="message_structure" in tables)


def _column(path: Path, query: str) -> list[str]:
    uri = f"{path.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        return [str(value) for (value,) in connection.execute(query)]
