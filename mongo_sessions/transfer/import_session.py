"""Bring a conversation along from any session of the SDK."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from bson import ObjectId

from ..counting.new_items import from_sdk, to_new_items, to_sdk
from ..log.documents import Head, in_utc, to_documents
from ..log.server.server import Explained
from ..log.session_ids import check_session_id
from ..policies.checks import check_callable
from ..policy_session import PolicySession
from ..session.session import MongoSession
from .dates import in_milliseconds
from .imported import Imported
from .session_import import SessionImport
from .source_dates import dates_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from agents.memory import Session

    from ..counting.counting import Counting
    from ..policies import Item
    from .transfers import Transfers

_BATCH = 500


async def import_session(
    store: Transfers,
    source: Session,
    session_id: str | None = None,
    *,
    created_at: datetime | Sequence[datetime] | None = None,
    progress: Callable[[Imported], object] | None = None,
) -> Imported:
    """Copy a conversation from any session of the SDK into ``store``, exactly.

    Items are stored in batches of 500, oldest first: until the end, the session is visible as a
    beginning of the conversation. Run again after it was stopped, the import compares what is
    stored, and adds only what is missing: also what was added to the source since. The target must
    not be used until then. Stop the writers of the source for the last run.

    The dates are kept where the source has them: ``SQLiteSession``, ``AsyncSQLiteSession`` and
    ``AdvancedSQLiteSession`` (its current branch) with a file, ``SQLAlchemySession`` with tables of
    the default names, and ``MongoSession``. With ``retention``, items that are older are deleted.

    Args:
        store: Where to.
        source: Its ``session_settings`` must not have a limit. A ``MongoSession`` is read whole,
            whatever its policy.
        session_id: Of the new session; None: that of the source.
        created_at: The date of every item, or the date of each, instead of those of the source.
            A date without a time zone is in UTC. None: as the source says, otherwise now.
        progress: Called after each batch with the result so far. An exception from it ends the
            import.

    Raises:
        InvalidItem, ItemTooLarge: an item cannot be stored. The items before it may be.
        SessionExists: the session exists, with another content; or it was changed meanwhile.
        TypeError, ValueError: ``source`` has a limit, or returns a view; the table of the source
            does not hold its items; ``created_at`` has another length than the source.
    """
    session_id = source.session_id if session_id is None else session_id
    check_session_id(session_id)
    if progress is not None:
        check_callable("progress", progress)
    connections = store._connections  # noqa: SLF001 - a function of the store
    with Explained():
        log = await connections.current().log()
        items, dates = await _read(source, created_at)
        target = SessionImport(log, session_id, has_dates=dates is not None)
        documents = _documents(session_id, items, dates, connections.state.counting)
        async for document, size in documents:
            if await target.add(document, size) and progress is not None:
                progress(Imported(0, target.items, target.skipped))
        await target.finish()
    done = Imported(1, target.items, target.skipped)
    if progress is not None:
        progress(done)
    return done


async def _documents(
    session_id: str,
    items: Sequence[Item],
    dates: Sequence[datetime] | None,
    counting: Counting,
) -> AsyncIterator[tuple[dict[str, Any], int]]:
    """The documents of a new session, and the size of each item."""
    head = Head()
    for start in range(0, len(items), _BATCH):
        batch = to_sdk(list(items[start : start + _BATCH]))
        new = await to_new_items(batch, counting, start)
        documents = to_documents(session_id, {ObjectId(): item for item in new}, head)
        head = Head.of(documents[-1])
        for index, (document, item) in enumerate(zip(documents, new, strict=True), start):
            if dates is not None:
                document["created_at"] = in_milliseconds(dates[index])
            yield document, item.size


async def _read(
    source: Session, created_at: datetime | Sequence[datetime] | None
) -> tuple[Sequence[Item], Sequence[datetime] | None]:
    """The items, and the date of each; None if these are not known."""
    if isinstance(source, PolicySession):
        raise TypeError("source is a PolicySession, which returns a view: pass its .session")
    if isinstance(source, MongoSession):
        entries = [entry async for entry in source.entries()]
        items: Sequence[Item] = [entry.item for entry in entries]
        dates: Sequence[datetime] | None = [entry.created_at for entry in entries]
    else:
        settings = source.session_settings
        if settings is not None and settings.limit is not None:
            raise ValueError(
                f"source has session_settings.limit={settings.limit}: older items would be missing"
            )
        items = from_sdk(await source.get_items())
        dates = await dates_of(source, items) if created_at is None else None
    if created_at is not None:
        dates = _given(created_at, len(items))
    return items, dates


def _given(created_at: datetime | Sequence[datetime], number: int) -> Sequence[datetime]:
    dates = [created_at] * number if isinstance(created_at, datetime) else list(created_at)
    if len(dates) != number:
        raise ValueError(f"created_at has {len(dates):,} dates, and source {number:,} items")
    for date in dates:
        if not isinstance(date, datetime):  # pyright: ignore[reportUnnecessaryIsInstance] - users
            raise TypeError(f"created_at must be datetimes, got {type(date).__name__}")
    return [in_utc(date) if date.tzinfo is None else date for date in dates]
