"""Exactly once, although answers get lost: no write is repeated before a look at what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError, WriteError

from .retries import is_transient, is_write_conflict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from .retries import Patience

T = TypeVar("T")


async def exactly_once(
    write: Callable[[], Awaitable[T]], has_landed: Callable[[], Awaitable[bool]], patience: Patience
) -> T | None:
    """Return what ``write`` returns; None if an earlier attempt turns out to have succeeded.

    Each attempt must be such that it fails, or changes nothing, if an earlier one arrives late.
    ``has_landed`` is asked before each attempt that follows one whose outcome is not known.
    """
    is_uncertain = False
    while True:
        try:
            if is_uncertain and await has_landed():
                return None
            return await write()
        except PyMongoError as error:
            if is_write_conflict(error):
                is_uncertain = is_uncertain or _is_stored_already(error)
            elif is_transient(error):
                is_uncertain = True
            else:
                raise
            await patience.pause_after(error)


def _is_stored_already(error: PyMongoError) -> bool:
    """Whether an ``_id`` of ours is taken: by an attempt that the driver repeated by itself."""
    if isinstance(error, BulkWriteError):
        return any(
            "_id" in problem.get("keyPattern", {}) for problem in error.details["writeErrors"]
        )
    return isinstance(error, DuplicateKeyError) and "_id" in (error.details or {}).get(
        "keyPattern", {}
    )


async def naming_no_text(writing: Awaitable[T]) -> T:
    """Leave what was to be written out of an error: it is the conversation, and errors are logged.

    PyMongo puts it there as ``op``, and the server what a validator refused as ``errInfo``.
    """
    try:
        return await writing
    except BulkWriteError as error:
        problems = [_without_text(problem) for problem in error.details["writeErrors"]]
        raise BulkWriteError({**error.details, "writeErrors": problems}) from None
    except DuplicateKeyError:
        raise  # it names the key alone
    except WriteError as error:
        details = _without_text(error.details or {})
        raise WriteError(details.get("errmsg", ""), error.code, details) from None


def _without_text(problem: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in problem.items() if key not in ("op", "errInfo")}
