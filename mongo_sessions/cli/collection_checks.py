"""Checks of a collection: rights, indexes, leftovers, failing summaries."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

from ..readiness import missing_rights
from .failing_folds import failing_fold
from .findings import OK, PROBLEM, UNCHECKED, Finding

if TYPE_CHECKING:
    from ..connection import Connection
    from ..log.listing import Listed

_MOST_LEFT_OVERS = 100
# A clear of a long session may take as long.
_CLEAR_TIME = timedelta(minutes=5)
_FAILURES = 3
_PAGE = 1_000


async def rights(connection: Connection) -> list[Finding]:
    """The rights that an application needs, of the user of the URI."""
    lacking = await missing_rights(connection.database, connection.indexes)
    if not lacking:
        return [Finding("rights", OK, "find, insert, update, remove")]
    text = f"the user of the URI lacks in {connection.indexes}: {', '.join(lacking)}"
    advice = (
        f"for an application: db.grantRolesToUser(user, [{{role: 'readWrite', "
        f"db: '{connection.indexes.namespace[0]}'}}]); to look, find is enough"
    )
    return [Finding("rights", PROBLEM, text, advice)]


async def indexes(connection: Connection) -> list[Finding]:
    """Each index that is missing or of no use."""
    defects = await connection.indexes.defects()
    if defects is None:
        text = "the user of the URI may not list the indexes"
        return [Finding("indexes", UNCHECKED, text, "grant it listIndexes, or the role read")]
    if not defects:
        return [Finding("indexes", OK, "all are there")]
    return [
        Finding(
            f"index {one.name}",
            PROBLEM,
            f"{one.defect}: {one.consequence}",
            str(one.error).partition(f"{one.consequence}. ")[2],
        )
        for one in defects
    ]


async def left_overs(connection: Connection, seconds: float) -> list[Finding]:
    """Clears that have not removed what they were to remove."""
    log = await connection.log()
    since = await log.now() - _CLEAR_TIME
    found = await connection.diagnosis.left_overs(_MOST_LEFT_OVERS, seconds)
    old = [one for one in found if one.began_at < since]
    if not old:
        return [Finding("leftovers", OK, "no interrupted clear")]
    names = ", ".join(one.session_id for one in old[:3]) + (", …" if len(old) > 3 else "")  # noqa: PLR2004
    number = f"{len(old):,}" + ("+" if len(found) == _MOST_LEFT_OVERS else "")
    text = f"{number} sessions were cleared, and their items are still stored: {names}"
    advice = "read or clear each of these sessions in an application: it removes the rest"
    return [Finding("leftovers", PROBLEM, text, advice)]


async def failing_folds(connection: Connection, sessions: int, seconds: float) -> list[Finding]:
    """Summaries that fail again and again, in the sessions that were used last."""
    log = await connection.log()
    deadline = time.monotonic() + seconds
    newest: list[Listed] = []
    after, is_complete = None, True
    while page := await log.sessions("", after, _PAGE):
        newest = sorted((*newest, *page), key=lambda one: one.updated_at)[-sessions:]
        after = page[-1].session_id
        if time.monotonic() > deadline:
            is_complete = False
            break
    found: list[Finding] = []
    looked = 0
    for listed in reversed(newest):
        if time.monotonic() > deadline:
            is_complete = False
            break
        looked += 1
        failing = await failing_fold(connection.diagnosis, listed.session_id)
        if failing is not None and failing.attempt.failures >= _FAILURES:
            advice = (
                "see the log of the workers for the summariser's error; after a repair, "
                f"`mongo-sessions fold --prefix {listed.session_id}`"
            )
            found.append(Finding("summaries", PROBLEM, str(failing), advice))
    if found:
        return found
    text = f"none fails again and again in the {looked:,} sessions used last"
    if is_complete:
        return [Finding("summaries", OK, text)]
    return [Finding("summaries", UNCHECKED, f"{text}; the time was over", "--seconds")]
