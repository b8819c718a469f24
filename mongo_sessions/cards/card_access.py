"""The cards through one connection: opened at their first use, independent of the items."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pymongo.errors import OperationFailure

from ..concurrency.single_flight import SingleFlight
from ..errors import IndexesMissing, WrongOwner
from ..log.cards.card_updates import Touch
from ..log.cards.cards import Cards
from ..log.cards.companion import companion_name
from ..log.indexes.index_specs import card_specs
from ..log.indexes.indexes import Indexes
from ..log.server.clock import client_time, server_time
from ..log.server.retries import UNAUTHORIZED, Retries
from .touches import Touches

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ..log.documents import Document
    from ..log.log import Log
    from ..log.server.drivers import AnyDriver
    from ..log.writes.delete import Closing
    from ..store_state import StoreState

logger = logging.getLogger("mongo_sessions")

_COPIED = ("owner", "title", "is_made_title", "metadata")


class CardAccess:
    """Opens the cards of a store, in one event loop.

    A user without rights in their collection, or on a deployment where their indexes are missing,
    can use sessions as before.
    """

    def __init__(
        self,
        database: AnyDriver,
        state: StoreState,
        retries: Retries,
        open_log: Callable[[], Awaitable[Log]],
    ) -> None:
        self._database = database
        self._state = state
        self._retries = retries
        self._open_log = open_log
        self._collection = state.options.collection
        self.indexes = Indexes(database, companion_name(self._collection), card_specs())
        self._cards: Cards | None = None
        self._check = SingleFlight(self._check_indexes)
        self.touches = Touches(self._write)

    async def open(self) -> Cards:
        """The cards. Missing indexes are created, or else logged once."""
        cards = await self._opened()
        state = self._state
        if not (state.card_indexes_were_checked or state.card_indexes_are_missing):
            try:
                await self._check()
            except (IndexesMissing, OperationFailure) as error:
                if isinstance(error, OperationFailure) and error.code != UNAUTHORIZED:
                    raise
                if not state.card_indexes_are_missing:
                    state.card_indexes_are_missing = True
                    logger.warning("%s", error)
        return cards

    async def open_lists(self) -> Cards:
        """The cards, for an operation that reads them by an index.

        Raises:
            IndexesMissing: an index is missing, and is not or cannot be created.
        """
        cards = await self._opened()
        if not self._state.card_indexes_were_checked:
            await self._check()
        return cards

    async def ensure_indexes(self) -> None:
        """Create the indexes that are missing, also with ``create_indexes=False``."""
        await self._ensure(create=True)

    async def close(
        self, session_id: str, closing: Closing, of_owner: str | None
    ) -> Document | None:
        """See :meth:`Cards.close`. A user without rights has no cards."""
        return await self._if_allowed(lambda cards: cards.close(session_id, closing, of_owner))

    async def reopen(self, session_id: str, closing: Closing) -> None:
        """See :meth:`Cards.reopen`."""
        if not self.touches.is_off:
            await (await self.open()).reopen(session_id, closing.token)

    async def bury(self, session_id: str, seq: int, closing: Closing) -> Document | None:
        """See :meth:`Cards.bury`. A user without rights has no cards."""
        self.touches.forget(session_id)
        return await self._if_allowed(lambda cards: cards.bury(session_id, seq, closing.token))

    async def restore(self, session_id: str, seq: int, owner: str | None) -> None:
        """Make the card of a session that was used again while its card was buried."""
        if not self.touches.is_off:
            await (await self.open()).touch([Touch(session_id, seq, owner)])

    async def copy(self, session_id: str, new_id: str) -> None:
        """Give a new session the owner, the title and the metadata of another one.

        Raises:
            WrongOwner: the new session belongs to another owner. Nothing was changed.
        """
        await self.touches.flush(session_id)
        cards = await self.open()
        if self.touches.is_off or (card := await cards.find(session_id)) is None:
            return
        copied = {name: card[name] for name in _COPIED if card.get(name) is not None}
        made = await cards.update(new_id, copied, of_owner=None)
        if "owner" in copied and (made or {}).get("owner") != copied["owner"]:
            raise WrongOwner(f"session {new_id!r} belongs to another owner")

    async def without_title(self, session_id: str) -> int | None:
        """The number of redactions of a card without a title; None if there is no such card."""
        await self.touches.flush(session_id)
        if self.touches.is_off:
            return None
        card = await (await self.open()).find(session_id)
        if card is None or card.get("title") is not None:
            return None
        return int(card.get("redactions") or 0)

    async def save_title(self, session_id: str, title: str, redactions: int) -> bool:
        """See :meth:`Cards.save_title`."""
        return await (await self.open()).save_title(session_id, title, redactions)

    async def forget_title(self, session_id: str) -> None:
        """Remove a title that was made by a summariser, and refuse one that is being made."""
        if not self.touches.is_off:
            await (await self.open()).forget_title(session_id)

    async def _if_allowed(
        self, command: Callable[[Cards], Awaitable[Document | None]]
    ) -> Document | None:
        cards = await self.open()
        if self.touches.is_off:
            return None
        try:
            return await command(cards)
        except OperationFailure as error:
            if error.code != UNAUTHORIZED:
                raise
            self.touches.turn_off(error)
            return None

    async def _opened(self) -> Cards:
        await self._open_log()  # it looks at the deployment
        deployment = self._state.deployment
        if self._cards is None:
            assert deployment is not None  # noqa: S101 - for mypy
            self._cards = Cards(
                self._database,
                self._collection,
                deployment=deployment,
                retries=self._retries,
                time=server_time if deployment.has_clock else client_time,
            )
        return self._cards

    async def _write(self, touches: Sequence[Touch]) -> None:
        await (await self.open()).touch(touches)

    async def _check_indexes(self) -> None:
        await self._ensure(create=self._state.options.create_indexes)

    async def _ensure(self, *, create: bool) -> None:
        # To build an index of a large collection takes long.
        await self._retries.run_long(lambda: self.indexes.ensure(create=create))
        self._state.card_indexes_were_checked = True
