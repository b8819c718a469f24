"""Reads of the items that a search has found, and of what is around them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..places import NEWEST_FIRST

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ..documents import Document
    from ..server.lasting import LastingReads
    from .search_scope import Scope

_SHAPE = [
    *("seq", "turn", "created_at", "item.role", "item.type", "item.id", "item.call_id"),
    *("item.approval_request_id", "item.caller"),
]
_LONGEST_TURN = 2_000


class GroupReads:
    """Reads in the sessions of one collection."""

    def __init__(self, lasting: LastingReads) -> None:
        self._lasting = lasting

    async def all_documents(self, session_id: str, scope: Scope) -> list[Document]:
        """Every document with an item, newest first: for a server that cannot compare."""
        return await self._lasting.find(scope.query(session_id), None, NEWEST_FIRST, 0)

    async def documents(
        self, session_id: str, scope: Scope, places: Collection[int]
    ) -> list[Document]:
        """The documents at these places that hold an item, newest first."""
        return await self._at(session_id, scope, places)

    async def shapes(
        self, session_id: str, scope: Scope, places: Collection[int], reach: int
    ) -> list[Document]:
        """The documents around these places, oldest first, with no more than their structure.

        An item that is stored as JSON text comes whole.
        """
        around = {seq + step for seq in places for step in range(-reach, reach + 1)}
        found = await self._at(session_id, scope, around, _SHAPE)
        in_text = [document["seq"] for document in found if "item" not in document]
        whole = {one["seq"]: one for one in await self.documents(session_id, scope, in_text)}
        return [whole.get(document["seq"], document) for document in found[::-1]]

    async def questions(
        self, session_id: str, scope: Scope, answers: Mapping[int, int]
    ) -> list[Document]:
        """The user messages that began the turns of these answers: ``answers`` has turn by place.

        Each is looked for in the 2,000 places before its answer.
        """
        base = scope.query(session_id)

        async def question(seq: int, turn: int) -> Document | None:
            places = {"$gt": max(scope.after_seq, seq - _LONGEST_TURN), "$lt": seq}
            query = {**base, "seq": places, "turn": turn, "item.role": "user"}
            return await self._lasting.find_one(query, _SHAPE, NEWEST_FIRST)

        found = await asyncio.gather(*(question(*answer) for answer in answers.items()))
        return [document for document in found if document is not None]

    async def _at(
        self,
        session_id: str,
        scope: Scope,
        places: Collection[int],
        fields: list[str] | None = None,
    ) -> list[Document]:
        if not places:
            return []
        query = scope.query(session_id)
        # The list alone bounds the index: one key is read for each place.
        wanted = [seq for seq in places if seq > scope.after_seq]
        query["seq"] = {**query["seq"], "$in": wanted}
        return await self._lasting.find(query, fields, NEWEST_FIRST, len(places))
