"""A reader that polls each shared session for items after the last place that it has seen."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from pymongo.errors import PyMongoError

from .journal import Seen
from .marks import versions_in

if TYPE_CHECKING:
    from mongo_sessions import MongoSessionStore

    from .journal import Journal

_PAUSE_SECONDS = 0.05


class Poller:
    def __init__(
        self, name: str, store: MongoSessionStore, journal: Journal, sessions: tuple[str, ...]
    ) -> None:
        self._name = name
        self._journal = journal
        self._sessions = {session: store.session(session) for session in sessions}
        self._last = dict.fromkeys(sessions, 0)

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            for session in self._sessions:
                await self._poll(session)
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(stopping.wait(), _PAUSE_SECONDS)

    async def _poll(self, session: str) -> None:
        """Items that were read before an error count, too."""
        after, begin, seen = self._last[session], time.monotonic(), list[Seen]()
        try:
            async for entry in self._sessions[session].entries(after_seq=after):
                (text,) = versions_in(json.dumps(entry.item))
                seen.append(Seen(entry.seq, str(entry.id), *text))
        except PyMongoError as error:
            print(f"{self._name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        if seen:
            self._last[session] = seen[-1].seq
            self._journal.polled(
                session=session, poller=self._name, after=after, begin=begin, seen=seen
            )
