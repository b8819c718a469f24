"""This library, on Motor and on PyMongo's async client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from bson import ObjectId

from mongo_sessions import MongoSessionStore, SummarizeOlder, TokenLimit
from mongo_sessions.background import Background
from mongo_sessions.log.deployment import Deployment
from mongo_sessions.log.documents import Head, NewItem, to_documents
from mongo_sessions.log.log import Log
from mongo_sessions.log.retries import Retries
from mongo_sessions.log.server import Server
from mongo_sessions.policies import starts_turn
from mongo_sessions.policies.summarize.message import summary_message
from mongo_sessions.policies.summarize.segments import Segment, to_summary

from .data import TURN_ITEMS, count_tokens, prose, token_counts, total_tokens
from .mongo import COLLECTION, KEPT_AS, MONGO_GUARANTEE, server_version, stored_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.items import TResponseInputItem

    from mongo_sessions import MongoSession, RetrievalPolicy, SummaryRequest
    from mongo_sessions.log.drivers import AnyDriver

    from .contenders import Stored

VIEW_TOKENS = 8_000
_CHUNK = 10_000
# So many items are shown behind the summary: about halfway from one fold to the next.
_UNFOLDED_ITEMS = 6 * TURN_ITEMS
_SEGMENTS, _SEGMENT_CHARACTERS = 5, 800


async def no_summary(request: SummaryRequest) -> str:
    """What is measured never gets here: the summary is there, and no other is due."""
    raise NotImplementedError(request.kind)


TOKEN_LIMIT = TokenLimit(VIEW_TOKENS)
SUMMARIZE_OLDER = SummarizeOlder(no_summary, max_tokens=VIEW_TOKENS)


class Ours:
    """MongoSession, of a store that an application would make."""

    kept_as = KEPT_AS
    guarantee = MONGO_GUARANTEE

    def __init__(self, name: str, database: AnyDriver) -> None:
        self.name = name
        self._database = database
        self._store = MongoSessionStore(database)

    def session(self, session_id: str, *, policy: RetrievalPolicy | None = None) -> MongoSession:
        return self._store.session(session_id, policy=policy)

    async def fill(self, session_id: str, items: Sequence[TResponseInputItem]) -> None:
        """The documents that ``add_items`` would write.

        The running total begins where it has to, to end with a full block of the window: so the
        views of sessions of any length are equally long.
        """
        await self._store.ensure_indexes()
        counts = token_counts()
        new = [
            NewItem(item, 0, counts[id(item)], starts_turn(item))
            for item in cast("Sequence[dict[str, Any]]", items)
        ]
        head = Head(total_tokens=-total_tokens(items) % TOKEN_LIMIT.block_tokens)
        for start in range(0, len(new), _CHUNK):
            chunk = {ObjectId(): item for item in new[start : start + _CHUNK]}
            documents = to_documents(session_id, chunk, head)
            await self._database[COLLECTION].insert_many(documents, ordered=False)
            head = Head.of(documents[-1])

    async def summarise(self, session_id: str) -> None:
        """Store a summary as thousands of folds would have left it: of the usual length."""
        log = Log(
            self._database,
            COLLECTION,
            deployment=Deployment(has_transactions=True),
            retries=Retries(Server(self._database.client), seconds=30.0),
            run_later=Background().start,
        )
        page, _ = await log.newest(session_id, _UNFOLDED_ITEMS + 1)
        anchor = page.documents[-1]
        texts = [prose(_SEGMENT_CHARACTERS, seed) for seed in range(_SEGMENTS)]
        segments = [
            Segment(1, anchor["seq"], level, text, count_tokens({"role": "user", "content": text}))
            for level, text in enumerate(texts)
        ]
        message = summary_message(segments, anchor["created_at"], has_gap=False)
        summary = to_summary(segments, count_tokens(message))
        if not await log.claims.save_summary(session_id, anchor["_id"], ObjectId(), summary):
            raise RuntimeError(f"{session_id} has a summary already")

    async def stored(self) -> Stored:
        return await stored_bytes(self._database, [COLLECTION])

    async def version(self) -> str:
        return await server_version(self._database)

    async def close(self) -> None:
        await self._store.close()
