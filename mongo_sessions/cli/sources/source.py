"""Where ``import --from`` reads: the text that names it, and what each kind can do."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from ..failures import without_secrets
from ..target import DATABASE, CommandError, wrong_usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from agents.memory import Session

    from ..target import Target

FORMS = "sqlite:FILE, sqlalchemy:URL, redis://HOST, mongodb:[DATABASE] or mongodb://HOST/DATABASE"


class Source(Protocol):
    """Sessions of one kind in one place. The names of its tables or keys are the SDK's."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What its driver raises."""

    def session_ids(self) -> AsyncIterator[str]:
        """The sessions that have items, each once."""

    def session(self, session_id: str) -> AbstractAsyncContextManager[Session]:
        """A session of the SDK, closed at the end."""

    async def dates(self, session_id: str) -> list[datetime] | None:
        """When each item was added, if the session cannot tell it itself."""


def open_source(text: str, target: Target) -> AbstractAsyncContextManager[Source]:
    """The source that ``text`` names; its modules are imported here.

    Raises:
        CommandError: it names none, or a package is missing.
    """
    kind, _, rest = text.partition(":")
    with _installed(kind):
        if kind == "sqlite" and rest:
            from .sqlite import sqlite_source  # noqa: PLC0415 - the SDK takes a second

            return sqlite_source(rest)
        if kind == "sqlalchemy" and rest:
            from .sqlalchemy import sqlalchemy_source  # noqa: PLC0415

            return sqlalchemy_source(rest)
        if kind in ("redis", "rediss") and rest.startswith("//"):
            from .redis import redis_source  # noqa: PLC0415

            return redis_source(text)
        if kind in ("mongodb", "mongodb+srv"):
            from .mongodb import mongodb_source  # noqa: PLC0415

            return mongodb_source(text, target)
    raise wrong_usage(f"--from must be {FORMS}, got {kind + ':' if rest else text!r}")


@contextmanager
def told(source: Source, text: str) -> Iterator[None]:
    """Tell an error of a source's driver in one line, without the password in ``text``.

    Raises:
        CommandError: instead of it.
    """
    try:
        yield
    except source.errors as error:
        # SQLAlchemy appends the statement with its values to the driver's message.
        reason = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
        line = " ".join(reason.splitlines()[0].split())
        url = text.partition(":")[2] if text.startswith("sqlalchemy:") else text
        raise CommandError(f"--from: {without_secrets(line, url)}", DATABASE) from None


@contextmanager
def _installed(kind: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        extra = f"openai-agents[{'redis' if kind == 'rediss' else kind}]"
        missing = f"{error.name} is missing" if error.name else "its extra is missing"
        raise wrong_usage(f"--from {kind}: {missing}: pip install '{extra}'") from None
