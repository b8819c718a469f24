"""The cards: one small document a session, with what a list of sessions shows.

``{_id: session_id, owner?, title?, metadata?, created_at, active_at}``, ``is_made_title`` if a
summariser has made the title, and the number of ``redactions``. A document without ``active_at`` is
no card: it may be a tombstone, or hold the lease of a turn alone. ``closing`` is the mark of a
:class:`Closing` deletion on a card with an owner.

A deletion turns the card into a tombstone, ``{_id, deleted_seq, deleted_on, deleted_at}``. It makes
a late :class:`Touch` of a deleted item harmless. The TTL index on ``deleted_at`` removes it after
an hour. A new card drops ``deleted_at`` and keeps the other two, which count for half an
hour: no touch is older.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pymongo import ReturnDocument, UpdateOne
from pymongo.errors import DuplicateKeyError, OperationFailure

from ..server.lasting import LastingReads
from ..server.retries import UNAUTHORIZED
from .card_updates import CardUpdates
from .companion import companion_name, companion_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from bson import ObjectId

    from ..documents import Document
    from ..server.clock import Time
    from ..server.deployment import Deployment
    from ..server.drivers import AnyDriver
    from ..server.retries import Retries
    from ..writes.delete import Closing
    from .card_updates import Pipeline, Touch

T = TypeVar("T")

_UPSERTS = 5
"""Of concurrent first writes of one document, the server refuses all but one."""


class CardKey(NamedTuple):
    """The place of a card in a list, newest first."""

    active_at: datetime
    session_id: str


class Cards:
    """Reads and writes of the cards, through one client. Each write is idempotent."""

    def __init__(
        self,
        database: AnyDriver,
        collection: str,
        *,
        deployment: Deployment,
        retries: Retries,
        time: Time,
    ) -> None:
        self._cards = companion_of(database, collection)
        self._lasting = LastingReads(
            self._cards,
            companion_of(database, collection, "linearizable"),
            has_elections=deployment.has_elections,
            retries=retries,
        )
        self._name = f"{database.name}.{companion_name(collection)}"
        self._retries = retries
        # mongomock does neither.
        self._has_bulk_writes = deployment.has_clock
        self._updates = CardUpdates(time, "$$REMOVE" if deployment.has_clock else None)

    async def find(self, session_id: str) -> Document | None:
        """The card; None if there is none."""
        query = {"_id": session_id, "active_at": {"$type": "date"}}
        return await self._allowed(lambda: self._lasting.find_one(query, None, [("_id", 1)]))

    async def newest_active(
        self, owner: str | None, after: CardKey | None, limit: int
    ) -> list[Document]:
        """The next cards of an owner (None: of all), the one that was active last first.

        One round trip. The two ranges of a later page are merged by their indexes: so a page costs
        the same when thousands of cards have one ``active_at``.
        """
        of_owner: Document = {} if owner is None else {"owner": owner}
        query: Document = {**of_owner, "active_at": {"$type": "date"}}
        if after is not None:
            time, session_id = after
            same_time = {**of_owner, "active_at": time, "_id": {"$gt": session_id}}
            query = {"$or": [same_time, {**of_owner, "active_at": {"$lt": time}}]}
        order = [("active_at", -1), ("_id", 1)]
        return await self._allowed(lambda: self._lasting.find(query, None, order, limit))

    async def made_before(self, owner: str, time: datetime, limit: int) -> list[Document]:
        """Cards of an owner that were made at ``time`` or before, the longest idle first."""
        query = {"owner": owner, "active_at": {"$type": "date"}, "created_at": {"$lte": time}}
        order = [("active_at", 1), ("_id", -1)]
        return await self._allowed(lambda: self._lasting.find(query, {"_id": 1}, order, limit))

    async def touch(self, touches: Sequence[Touch]) -> None:
        """Set ``active_at`` of these cards, and make the missing ones, in one round trip."""
        updates = [(touch.session_id, self._updates.touched(touch)) for touch in touches]
        if self._has_bulk_writes:
            writes = [UpdateOne({"_id": one}, update, upsert=True) for one, update in updates]
            await self._allowed(
                lambda: self._retries.run(lambda: self._cards.bulk_write(writes, ordered=False))
            )
            return
        for session_id, update in updates:
            await self._cards.update_one({"_id": session_id}, update, upsert=True)

    async def claim(self, session_id: str, owner: str) -> Document | None:
        """Make a card for ``owner`` unless there is one, and return the card."""
        return await self._upsert({"_id": session_id}, self._updates.claimed(owner))

    async def update(
        self,
        session_id: str,
        changes: Mapping[str, Any],
        *,
        of_owner: str | None,
        active_at: datetime | None = None,
    ) -> Document | None:
        """Change fields of a card (None removes one), and return the card.

        Args:
            session_id: Of the card.
            changes: A change of ``owner`` is made if the card has none, or the same; otherwise
                nothing is changed at all.
            of_owner: The owner that the card must have: if it has another one, or does not exist,
                the result is None. With None, a missing card is made.
            active_at: Of a new card. None: now.
        """
        query = {"_id": session_id, **({} if of_owner is None else {"owner": of_owner})}
        update = self._updates.changed(changes, active_at)
        return await self._upsert(query, update, upsert=of_owner is None)

    async def forget_title(self, session_id: str) -> None:
        """Remove a title that was made, after an item of the session was redacted."""
        query = {"_id": session_id, "active_at": {"$type": "date"}}
        # First of all: a title that is being made cannot be saved from now on.
        redacted = {"$inc": {"redactions": 1}}
        without: Document = {"$unset": {"title": "", "is_made_title": ""}}
        for wanted, update in ((query, redacted), ({**query, "is_made_title": True}, without)):
            await self._update_one(wanted, update)

    async def save_title(self, session_id: str, title: str, redactions: int) -> bool:
        """Set a title that a summariser has made; return whether it is set.

        It is not if the card has a title, or another number of redactions.
        """
        query = {
            "_id": session_id,
            "active_at": {"$type": "date"},
            "title": None,
            "redactions": redactions or None,
        }
        return await self._update_one(query, {"$set": {"title": title, "is_made_title": True}})

    async def _update_one(self, query: Document, update: Document) -> bool:
        result = await self._allowed(
            lambda: self._retries.run(lambda: self._cards.update_one(query, update))
        )
        return bool(result.matched_count)

    async def close(
        self, session_id: str, closing: Closing, of_owner: str | None
    ) -> Document | None:
        """Mark a card that has an owner: a deletion has begun. The mark of another one stays.

        Args:
            session_id: Of the card.
            closing: The deletion.
            of_owner: The owner that the card must have; None: any.

        Returns:
            The card; None if there is none of this owner.
        """
        owner: object = {"$type": "string"} if of_owner is None else of_owner
        query = {"_id": session_id, "active_at": {"$type": "date"}, "owner": owner}
        return await self._upsert(query, self._updates.closed(closing._asdict()), upsert=False)

    async def reopen(self, session_id: str, token: ObjectId) -> None:
        """Remove the mark of a deletion that was given up."""
        query = {"_id": session_id, "closing.token": token}
        await self._update_one(query, {"$unset": {"closing": ""}})

    async def bury(self, session_id: str, seq: int, token: ObjectId) -> Document | None:
        """Turn a card into a tombstone: all items up to ``seq`` are deleted.

        A lease in the document stays. Nothing is changed if a later deletion was here first, or if
        the card has an owner, and not the mark of this deletion.

        Args:
            session_id: Of the card. A missing one becomes a tombstone, too.
            seq: The place of the deletion.
            token: Of the deletion.

        Returns:
            The document after it.
        """
        return await self._upsert({"_id": session_id}, self._updates.buried(seq, token))

    async def _upsert(
        self, query: Document, update: Pipeline, *, upsert: bool = True
    ) -> Document | None:
        async def command() -> Document | None:
            found: Document | None = await self._cards.find_one_and_update(
                query, update, upsert=upsert, return_document=ReturnDocument.AFTER
            )
            return found

        for _ in range(_UPSERTS):
            try:
                return await self._allowed(lambda: self._retries.run(command))
            except DuplicateKeyError:
                continue
        return await self._allowed(lambda: self._retries.run(command))

    async def _allowed(self, command: Callable[[], Awaitable[T]]) -> T:
        try:
            return await command()
        except OperationFailure as error:
            if error.code != UNAUTHORIZED:
                raise
            raise OperationFailure(
                f"this user lacks rights in {self._name}: cards, lists by activity and owners need "
                "find, insert, update and remove there",
                UNAUTHORIZED,
            ) from None
