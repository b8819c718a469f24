"""The lines of an export."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from .card_lines import to_exported
from .entry_lines import to_entry
from .lines import HEADER, to_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from ..log.documents import Document
    from ..log.log import Log

_PAGE = 500


async def export_lines(
    log: Log, prefix: str, session_ids: Iterable[str] | None, owner: str | None
) -> AsyncIterator[str]:
    """See :meth:`Transfers.export`."""
    yield to_line(HEADER)
    if session_ids is not None:
        sessions = _given(log, session_ids, owner)
    elif owner is not None:
        sessions = _of_owner(log, prefix, owner)
    else:
        sessions = _all(log, prefix)
    async for session_id, card in sessions:
        async for line in _session_lines(log, session_id, card):
            yield line


async def _session_lines(log: Log, session_id: str, card: Document | None) -> AsyncIterator[str]:
    """The lines of a session; none if it has neither items nor a card."""
    first: dict[str, object] = {"session": session_id}
    has_begun = card is not None
    if card is not None:
        yield to_line({**first, "card": to_exported(card)})
    entries = 0
    async for documents in log.exports.chunks(session_id):
        if not has_begun:
            yield to_line(first)
            has_begun = True
        for document in documents:
            yield _entry_line(document)
        entries += len(documents)
    if has_begun:
        yield to_line({"end": session_id, "entries": entries})


def _entry_line(document: Document) -> str:
    try:
        return to_line(to_entry(document))
    except TypeError as error:  # a policy of the application has stored another type
        place = f"session {document['session_id']!r}, seq {document['seq']}"
        raise ValueError(
            f"the summary of {place} is not JSON, and is not exported: {error}"
        ) from None


async def _given(
    log: Log, session_ids: Iterable[str], owner: str | None
) -> AsyncIterator[tuple[str, Document | None]]:
    rest = iter(session_ids)
    while page := list(islice(rest, _PAGE)):
        cards = {card["_id"]: card for card in await log.card_copies.of(page, owner)}
        for session_id in page:
            if owner is None or session_id in cards:
                yield session_id, cards.get(session_id)


async def _of_owner(
    log: Log, prefix: str, owner: str
) -> AsyncIterator[tuple[str, Document | None]]:
    async for card in _cards(log, prefix, owner):
        yield card["_id"], card


async def _all(log: Log, prefix: str) -> AsyncIterator[tuple[str, Document | None]]:
    """The sessions with items, and those that have a card alone, in the order of their ids."""
    listed, cards = _ids(log, prefix), _cards(log, prefix, None)
    session_id, card = await anext(listed, None), await anext(cards, None)
    while session_id is not None or card is not None:
        if card is None or (session_id is not None and session_id < card["_id"]):
            assert session_id is not None  # noqa: S101 - for mypy
            yield session_id, None
            session_id = await anext(listed, None)
            continue
        yield card["_id"], card
        if session_id == card["_id"]:
            session_id = await anext(listed, None)
        card = await anext(cards, None)


async def _ids(log: Log, prefix: str) -> AsyncIterator[str]:
    after = None
    while page := await log.sessions(prefix, after, _PAGE):
        for listed in page:
            yield listed.session_id
        after = page[-1].session_id


async def _cards(log: Log, prefix: str, owner: str | None) -> AsyncIterator[Document]:
    after = None
    while page := await log.card_copies.page(prefix, after, _PAGE, owner):
        for card in page:
            yield card
        after = page[-1]["_id"]
