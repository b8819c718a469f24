"""A database of SQLAlchemySession."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from agents.extensions.memory import SQLAlchemySession
from sqlalchemy import make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from ..target import wrong_usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncEngine

_IDS = "SELECT DISTINCT session_id FROM agent_messages ORDER BY session_id"
_EXAMPLE = "as in sqlalchemy:postgresql+asyncpg://user@host/database"


class _SQLAlchemySource:
    # Drivers raise errors of the network as they are.
    errors = (SQLAlchemyError, OSError)

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def session_ids(self) -> AsyncIterator[str]:
        async with self._engine.connect() as connection:
            found = (await connection.scalars(text(_IDS))).all()
        for session_id in found:
            yield session_id

    @asynccontextmanager
    async def session(self, session_id: str) -> AsyncIterator[SQLAlchemySession]:
        yield SQLAlchemySession(session_id, engine=self._engine)

    async def dates(self, session_id: str) -> list[datetime] | None:  # noqa: ARG002 - import_session reads them
        return None


@asynccontextmanager
async def sqlalchemy_source(url: str) -> AsyncIterator[_SQLAlchemySource]:
    """The sessions of a database."""
    try:
        is_async = make_url(url).get_dialect().is_async
    except ArgumentError:  # its message may have the URL
        raise wrong_usage(f"--from: this is no URL of SQLAlchemy, {_EXAMPLE}") from None
    if not is_async:
        raise wrong_usage(f"--from: the URL must name an asynchronous driver, {_EXAMPLE}")
    try:
        engine = create_async_engine(url)
    except ModuleNotFoundError as error:
        raise wrong_usage(f"--from: the driver {error.name} is not installed") from None
    try:
        yield _SQLAlchemySource(engine)
    finally:
        await engine.dispose()
