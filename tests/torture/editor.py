"""What a writer does that is more than to add and to remove: rewind, fork, delete, and runs."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from .marks import Version, marks_in, redacted
from .sessions import OWNERS
from .writer import Writer

if TYPE_CHECKING:
    from mongo_sessions import MongoSession

_NEWEST = 8
_REDACTABLE = 60
"""Of which a summary covers some."""


class Run:
    """Stands in for the context of a run of the SDK: its import takes seconds."""

    usage = None


class Editor(Writer):
    """A writer that edits sessions."""

    async def rewind(self, session: MongoSession) -> None:
        """Rewind to one of the newest entries; at times, only if the end has not moved."""
        seqs = await self._newest_seqs(session)
        if not seqs:
            return
        seq = 0 if self._dice.random() < 0.05 else self._dice.choice(seqs)
        expected = self._dice.choice([None, seqs[-1]])
        await asyncio.sleep(self._dice.uniform(0, 0.02))  # other tasks may change the end
        operation = self._journal.begin(
            "rewind", session=session.session_id, seq=seq, expected=expected
        )
        outcome, _ = await self._outcome_of(session.rewind(seq, expected))
        self._journal.end(operation, outcome)

    async def fork(self, session: MongoSession) -> None:
        """Copy it to a new id, which other operations may use at the same time.

        Not on a standalone server: there, a client that is killed within its first step can clear
        what another one has added to the new id at that moment (docs/guarantees.md).
        """
        if not self._has_transactions:
            return
        target = f"copy-{self._new_batch()}"
        seqs = await self._newest_seqs(session)
        upto = self._dice.choice([None, 0, *seqs]) if self._dice.random() < 0.5 else None
        beside = asyncio.create_task(self._use(target))
        operation = self._journal.begin(
            "fork", session=session.session_id, target=target, upto=upto
        )
        outcome, twin = await self._outcome_of(session.fork(target, upto))
        self._journal.end(operation, outcome)
        await beside
        if outcome == "acknowledged":
            await self.look(twin)
            await self.add(twin)

    async def _use(self, session_id: str) -> None:
        (work,) = self._dice.choices([None, self.add, self.delete], [6, 3, 1])
        if work is not None:
            await asyncio.sleep(self._dice.uniform(0, 0.05))
            await work(self._store.session(session_id))

    async def redact(self, session: MongoSession) -> None:
        """Replace what one of the newer entries says.

        Not on a standalone server: there, running totals stay wrong if it is killed meanwhile.
        """
        if not self._has_transactions:
            return
        _, page = await self._outcome_of(session.page(limit=_REDACTABLE))
        if page is None or not page.entries:
            return
        entry = self._dice.choice(page.entries)
        (mark,) = marks_in(json.dumps(entry.item))
        text = Version(mark, self._new_batch())
        operation = self._journal.begin(
            "redact", session=session.session_id, mark=mark, redaction=text.redaction
        )
        new: Any = redacted(entry.item, text)
        outcome, _ = await self._outcome_of(session.redact(entry.seq, new))
        self._journal.end(operation, outcome)

    async def delete(self, session: MongoSession) -> None:
        operation = self._journal.begin("delete", sessions=[session.session_id])
        outcome, _ = await self._outcome_of(self._store.delete_session(session.session_id))
        self._journal.end(operation, outcome)

    async def delete_owner(self, session: MongoSession) -> None:
        owner = OWNERS[session.session_id]
        operation = self._journal.begin("delete", sessions=[session.session_id], owner=owner)
        outcome, _ = await self._outcome_of(self._store.delete_owner(owner))
        # A session may be deleted before the call is refused: for new items.
        self._journal.end(operation, "failed" if outcome == "refused" else outcome)

    async def take_turn(self, session: MongoSession) -> None:
        """Read and add as a run of the SDK does, which a deletion ends."""
        run: Any = Run()
        outcome, _ = await self._outcome_of(session.get_items(wrapper=run))
        read = time.monotonic()
        while outcome == "acknowledged" and self._dice.random() < 0.7:
            await asyncio.sleep(self._dice.uniform(0, 0.2))
            outcome = await self.add(session, wrapper=run, read=read)

    async def _newest_seqs(self, session: MongoSession) -> list[int]:
        _, page = await self._outcome_of(session.page(limit=_NEWEST))
        return [] if page is None else [entry.seq for entry in page.entries]
