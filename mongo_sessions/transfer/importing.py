"""Reading the lines of an export, and storing what they say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import InvalidLine
from ..log.session_ids import check_session_id
from .card_lines import to_card
from .entry_lines import to_document
from .imported import Imported
from .lines import check_fields, check_header, from_line
from .session_import import SessionImport

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..log.log import Log


class LinesImport:
    """One import of lines.

    Raises:
        InvalidLine: a line is not what it should be there.
        SessionExists: a session exists, with another content.
    """

    def __init__(self, log: Log, progress: Callable[[Imported], object] | None) -> None:
        self._log = log
        self._progress = progress
        self._done = Imported()
        self._number = 0
        self._has_begun = False
        self._session: SessionImport | None = None

    async def line(self, line: str | bytes) -> None:
        """Take the next line."""
        self._number += 1
        if not isinstance(line, (str, bytes)):  # pyright: ignore[reportUnnecessaryIsInstance] - users
            kind = type(line).__name__
            raise TypeError(f"line {self._number} must be a str or bytes, got {kind}")
        if not line.strip():
            return
        try:
            await self._take(from_line(line))
        except ValueError as error:
            if isinstance(error, InvalidLine) or type(error) is not ValueError:
                raise
            raise InvalidLine(f"line {self._number}: {error}") from None

    def end(self) -> Imported:
        """The result, after the last line."""
        if not self._has_begun:
            raise InvalidLine("there are no lines: an export has a first line at least")
        if self._session is not None:
            raise InvalidLine(
                f"after line {self._number}: the lines end in the middle of the session "
                f"{self._session.session_id!r}. What was stored of it stays: import the whole again"
            )
        return self._done

    async def _take(self, value: dict[str, Any]) -> None:
        if not self._has_begun or "format" in value:  # exports may stand one behind the other
            self._check_outside("a first line")
            check_header(value, self._number)
            self._has_begun = True
        elif "session" in value:
            self._check_outside("a session")
            await self._begin(value)
        elif "end" in value:
            await self._end(value, self._current())
        else:
            session = self._current()
            document, size = to_document(session.session_id, value)
            if await session.add(document, size):
                self._report(session)

    def _check_outside(self, what: str) -> None:
        if self._session is not None:
            raise ValueError(f"{what} begins before the end of {self._session.session_id!r}")

    def _current(self) -> SessionImport:
        if self._session is None:
            raise ValueError("it belongs to no session")
        return self._session

    async def _begin(self, value: dict[str, Any]) -> None:
        check_fields(value, ("session", "card"))
        session_id = value["session"]
        try:
            check_session_id(session_id)
        except TypeError as error:
            raise ValueError(str(error)) from None
        if "card" in value:
            await self._log.card_copies.insert(session_id, to_card(value["card"]))
        self._session = SessionImport(self._log, session_id, has_dates=True)

    async def _end(self, value: dict[str, Any], session: SessionImport) -> None:
        check_fields(value, ("end", "entries"))
        if value["end"] != session.session_id or value.get("entries") != session.added:
            raise ValueError(
                f"the session {session.session_id!r} has {session.added:,} items here, and its "
                "last line does not say so: lines are missing"
            )
        await session.finish()
        self._session = None
        self._done = replace(self._so_far(session), sessions=self._done.sessions + 1)
        if self._progress is not None:
            self._progress(self._done)

    def _report(self, session: SessionImport) -> None:
        if self._progress is not None:
            self._progress(self._so_far(session))

    def _so_far(self, session: SessionImport) -> Imported:
        done = self._done
        return Imported(done.sessions, done.items + session.items, done.skipped + session.skipped)
