"""Remove the text of items from the driver's errors: applications log errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pymongo.errors import BulkWriteError, DuplicateKeyError, WriteError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

T = TypeVar("T")


async def redact_errors(write: Awaitable[T]) -> T:
    """Await ``write``; raise its error without the documents.

    PyMongo adds the document as ``op``; the server adds a document that a validator refused as
    ``errInfo``.
    """
    try:
        return await write
    except BulkWriteError as error:
        problems = [_redacted(problem) for problem in error.details["writeErrors"]]
        raise BulkWriteError({**error.details, "writeErrors": problems}) from None
    except DuplicateKeyError:
        raise  # contains the key alone
    except WriteError as error:
        details = _redacted(error.details or {})
        raise WriteError(details.get("errmsg", ""), error.code, details) from None


def _redacted(problem: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in problem.items() if key not in ("op", "errInfo")}
