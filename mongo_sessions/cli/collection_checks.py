"""Checks of a collection: rights, indexes, leftovers, failing summaries."""

from __future__ import annotations

import time
from datetime import timedelta
from shlex import quote
from typing import TYPE_CHECKING

from ..store.readiness import missing_rights
from .failing_folds import failing_fold
from .failures import by_command
from .findings import NOTE, OK, PROBLEM, UNCHECKED, Finding

if TYPE_CHECKING:
    from ..connection.connection import Connection
    from ..log.indexes.indexes import Indexes
    from ..log.reads.listing import Listed
    from .target import Target

_MOST_LEFT_OVERS = 100
# A clear of a long session may take as long.
_CLEAR_TIME = timedelta(minutes=5)
_FAILURES = 3
_PAGE = 1_000


async def rights(connection: Connection) -> list[Finding]:
    """The rights that an application needs, of the user of the URI."""
    return await _rights("rights", connection, connection.indexes)


async def card_rights(connection: Connection) -> list[Finding]:
    """The same for the cards: without them, a store has no owners, titles and lists by activity."""
    return await _rights("card rights", connection, connection.cards.indexes)


async def _rights(name: str, connection: Connection, indexes: Indexes) -> list[Finding]:
    lacking = await missing_rights(connection.database, indexes)
    if not lacking:
        return [Finding(name, OK, "find, insert, update, remove")]
    text = f"the user of the URI lacks in {indexes}: {', '.join(lacking)}"
    advice = (
        f"for an application: db.grantRolesToUser(user, [{{role: 'readWrite', "
        f"db: '{indexes.namespace[0]}'}}]); to look, find is enough"
    )
    return [Finding(name, PROBLEM, text, advice)]


async def change_streams(connection: Connection) -> list[Finding]:
    """Whether a watch can use a change stream. Without one it reads again and again."""
    if not (await connection.log()).following.has_streams:
        return []  # of the server, which another check tells
    if not await missing_rights(connection.database, connection.indexes, ("changeStream",)):
        return [Finding("watch", OK, "by a change stream")]
    text = f"the user of the URI lacks changeStream in {connection.indexes}: each session.watch() "
    text += "reads once a second instead"
    return [Finding("watch", NOTE, text, "grant it changeStream, or the role readWrite")]


async def indexes(connection: Connection, target: Target) -> list[Finding]:
    """Each index that is missing or of no use."""
    return await _indexes("indexes", connection.indexes, target)


async def card_indexes(connection: Connection, target: Target) -> list[Finding]:
    """The same of the cards. An older version made none."""
    of_cards = connection.cards.indexes
    if await of_cards.has_collection():
        return await _indexes("card indexes", of_cards, target)
    text = f"there are no cards: {of_cards} does not exist"
    advice = "nothing to do: the first use of a session makes its card"
    return [Finding("card indexes", NOTE, text, advice)]


async def _indexes(name: str, of_collection: Indexes, target: Target) -> list[Finding]:
    defects = await of_collection.defects()
    if defects is None:
        text = f"the user of the URI may not list the indexes of {of_collection}"
        return [Finding(name, UNCHECKED, text, "grant it listIndexes, or the role read")]
    if not defects:
        return [Finding(name, OK, "all are there")]
    return [
        Finding(
            f"index {one.name}",
            PROBLEM,
            f"{one.defect}: {one.consequence}",
            by_command(str(one.error).partition(f"{one.consequence}. ")[2], target),
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
                "the log of the workers has the summariser's whole error; after a repair, they try "
                f"again by themselves, or `fold --prefix {quote(listed.session_id)} --policy …`, "
                "with the policy of the application and its summariser"
            )
            found.append(Finding("summaries", PROBLEM, str(failing), advice))
    if found:
        return found
    text = f"none fails again and again in the {looked:,} sessions used last"
    if is_complete:
        return [Finding("summaries", OK, text)]
    return [Finding("summaries", UNCHECKED, f"{text}; the time was over", "--seconds")]
