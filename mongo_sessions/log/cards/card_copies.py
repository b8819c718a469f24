"""The cards of exported and imported sessions, as they are: their dates, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymongo.errors import DuplicateKeyError, OperationFailure

from ...errors import SessionExists
from ..server.retries import UNAUTHORIZED
from ..session_ids import id_range
from .companion import companion_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..documents import Document
    from ..server.drivers import AnyDriver
    from ..server.retries import Retries


CARD_FIELDS = ("owner", "title", "metadata", "created_at", "active_at")
_IS_CARD = {"active_at": {"$type": "date"}}
"""Other documents hold a lease, or say that a session was deleted."""


class CardCopies:
    """Reads and writes whole cards of one store."""

    def __init__(self, database: AnyDriver, collection: str, retries: Retries) -> None:
        self._cards = companion_of(database, collection)
        self._retries = retries

    async def page(
        self, prefix: str, after: str | None, limit: int, owner: str | None
    ) -> list[Document]:
        """The next cards by their session ids; with ``owner``, only the cards of that owner.

        Empty if this user may not read cards, unless an owner is asked for.
        """
        of_owner = {} if owner is None else {"owner": owner}
        return await self._find({"_id": id_range(prefix, after), **of_owner}, limit, owner)

    async def of(self, session_ids: Sequence[str], owner: str | None) -> list[Document]:
        """The cards of these sessions, in the order of their ids."""
        of_owner = {} if owner is None else {"owner": owner}
        query = {"_id": {"$in": list(session_ids)}, **of_owner}
        return await self._find(query, len(session_ids), owner)

    async def insert(self, session_id: str, card: Mapping[str, Any]) -> None:
        """Store a card, unless the session has one.

        Raises:
            SessionExists: the session belongs to another owner, or to none.
        """
        query = {"_id": session_id, "active_at": {"$exists": False}}
        update = {"$set": dict(card), "$unset": {"deleted_at": ""}}
        try:
            await self._retries.run(lambda: self._cards.update_one(query, update, upsert=True))
        except DuplicateKeyError:
            by_id = {"_id": session_id}
            found = await self._retries.run(lambda: self._cards.find_one(by_id, ["owner"]))
            if (found or {}).get("owner") != card.get("owner"):
                raise SessionExists(
                    f"the session {session_id!r} exists, and does not belong to the owner in the "
                    "import. Nothing of it was imported"
                ) from None

    async def _find(self, query: Document, limit: int, owner: str | None) -> list[Document]:
        fields = dict.fromkeys(CARD_FIELDS, 1)

        async def find() -> list[Document]:
            cursor = self._cards.find({**query, **_IS_CARD}, fields)
            found: list[Document] = await cursor.sort([("_id", 1)]).limit(limit).to_list(None)
            return found

        try:
            return await self._retries.run(find)
        except OperationFailure as error:
            if error.code != UNAUTHORIZED or owner is not None:
                raise
            return []
