"""``mongo-sessions ls``: the sessions of a collection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import IndexesMissing
from ...log.documents import in_utc
from ..arguments import Order
from ..opening import opened
from ..target import wrong_usage
from ..times import date

if TYPE_CHECKING:
    from datetime import datetime

    from ...cards.card import Card
    from ...log.reads.listing import Listed
    from ..opening import Opened
    from ..output import Output
    from ..target import Target


@dataclass(frozen=True)
class Page:
    """What to list."""

    by: Order | None
    owner: str | None
    prefix: str
    after: str | None
    limit: int

    @property
    def order(self) -> Order:
        """As given, or as the rest asks for.

        Raises:
            CommandError: the options exclude each other.
        """
        if self.owner is not None and (self.prefix or self.by is Order.ID):
            raise wrong_usage(
                "--owner lists by activity: neither --prefix nor --by id goes with it"
            )
        if self.prefix and self.by is Order.ACTIVITY:
            raise wrong_usage("--prefix lists by id: --by activity does not go with it")
        return self.by or (Order.ID if self.prefix else Order.ACTIVITY)


@dataclass(frozen=True)
class Row:
    """A session in the list."""

    session_id: str
    owner: str | None
    title: str | None
    items: int
    tokens: int
    newest_at: datetime | None
    cursor: str
    """For ``--after``."""

    @property
    def record(self) -> dict[str, Any]:
        """As an object of JSON."""
        names = ("session_id", "owner", "title", "items", "tokens", "newest_at", "cursor")
        return {name: getattr(self, name) for name in names}


async def ls(target: Target, output: Output, page: Page) -> None:
    """List a page of sessions."""
    order = page.order
    async with opened(target, output) as database:
        rows = await _by_id(database, page) if order is Order.ID else []
        if order is Order.ACTIVITY:
            rows = await _by_activity(database, page)
            if not rows and page.owner is None and page.after is None:
                rows = await _by_id(database, page)
                if rows:
                    output.warn("no session has a card, as of an older version: listed by id")
    if output.as_json:
        for row in rows:
            output.record(row.record)
        return
    if not rows:
        output.warn(f"no sessions in {target}" + ("" if page == _ALL else " for these options"))
        return
    columns = ("session", "owner", "title", "items", "tokens", "newest item (UTC)")
    cells = [(r.session_id, r.owner, r.title, r.items, r.tokens, date(r.newest_at)) for r in rows]
    output.table(columns, cells, right=("items", "tokens"), cut=("owner", "title"))
    if len(rows) == page.limit:
        output.warn(f"there may be more: --after {rows[-1].cursor}")


_ALL = Page(None, None, "", None, 50)


async def _by_id(database: Opened, page: Page) -> list[Row]:
    log = await database.log()
    return [_row(one, None) for one in await log.sessions(page.prefix, page.after, page.limit)]


async def _by_activity(database: Opened, page: Page) -> list[Row]:
    """By the cards; a card without items is listed, too."""
    try:
        cards = await database.store.list_sessions(
            after=page.after, limit=page.limit, owner=page.owner, order="active"
        )
    except IndexesMissing:
        if page.owner is not None or page.after is not None:
            raise
        return []  # of an older version
    log = await database.log()
    listed = await log.listing.these([card.session_id for card in cards]) if cards else []
    by_id = {one.session_id: one for one in listed}
    return [_row(by_id.get(card.session_id), card) for card in cards]


def _row(listed: Listed | None, card: Card | None) -> Row:
    return Row(
        session_id=card.session_id if card else listed.session_id if listed else "",
        owner=card.owner if card else None,
        title=card.title if card else None,
        items=listed.items if listed else 0,
        tokens=listed.tokens if listed else 0,
        newest_at=in_utc(listed.updated_at) if listed else None,
        cursor=card.cursor if card else listed.session_id if listed else "",
    )
