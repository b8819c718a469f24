"""A task of a client, and what it does to sessions: add, pop, clear, replace, look."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from typing import TYPE_CHECKING, Any

from mongo_sessions import Conflict, NoSuchEntry, SessionDeleted, SessionExists, WrongOwner
from mongo_sessions.policies import TiktokenCounter
from tests.support.conversations import rejections

from .marks import Mark, items, marks_in, versions_in
from .sessions import OWNERS, SHARED, work_of

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from mongo_sessions import MongoSession, MongoSessionStore

    from .client import Orders
    from .journal import Journal

MAX_TOKENS = 2_500
_REFUSALS = (Conflict, NoSuchEntry, SessionDeleted, SessionExists)


class Writer:
    """One task, with a session of its own and sessions that it shares with all other tasks."""

    def __init__(
        self, orders: Orders, number: int, store: MongoSessionStore, journal: Journal
    ) -> None:
        self._name = f"{orders.name}.{number}"
        self._dice = random.Random(f"{orders.seed}/{self._name}")
        self._store = store
        self._journal = journal
        self._count_tokens = TiktokenCounter()
        self._batches = 0
        self._has_transactions = "replicaSet=" in orders.uri
        self._own = f"alone-{orders.slot}.{number}"
        self._names = [self._own, self._own, *SHARED]
        self._acknowledged: Mark | None = None
        """The last item that was added to its own session."""
        self._sessions: dict[str, MongoSession] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            name = self._dice.choice(self._names)
            if name not in self._sessions or self._dice.random() < 0.05:
                self._sessions[name] = self._store.session(name, owner=OWNERS.get(name))
            session = self._sessions[name]
            kinds, weights = zip(*work_of(name).items(), strict=True)
            (kind,) = self._dice.choices(kinds, weights)
            await getattr(self, kind)(session)
            await asyncio.sleep(self._dice.uniform(0, 0.02))

    async def add(self, session: MongoSession, **run: Any) -> str:
        """``run``: its ``wrapper``, and when it had ``read`` the session."""
        batch, size = self._new_batch(), self._dice.choice([1, 1, 1, 2, 3, 4, 5])
        wrapper = run.pop("wrapper", None)
        operation = self._journal.begin(
            "add", batch=batch, session=session.session_id, size=size, **run
        )
        adding = session.add_items(items(batch, size), wrapper=wrapper)
        outcome, _ = await self._outcome_of(adding)
        self._journal.end(operation, outcome)
        if outcome == "acknowledged" and session.session_id == self._own:
            self._acknowledged = Mark(batch, size - 1, size)
        return outcome

    async def clear(self, session: MongoSession) -> None:
        operation = self._journal.begin("clear", session=session.session_id)
        outcome, _ = await self._outcome_of(session.clear_session())
        self._journal.end(operation, outcome)

    async def replace(self, session: MongoSession) -> None:
        """Replace the newest items as the SDK's compaction session does."""
        limit = self._dice.randint(1, 8)
        _, found = await self._outcome_of(session._get_compaction_snapshot(limit))
        if found is None or not found.items:
            return
        start = self._dice.randrange(len(found.items))
        gone = marks_in(json.dumps(found.items[start:]))
        batch, size = self._new_batch(), self._dice.choice([1, 3])
        operation = self._journal.begin(
            "replace", batch=batch, session=session.session_id, size=size, gone=gone
        )
        await asyncio.sleep(self._dice.uniform(0, 0.02))  # other tasks may change the end
        outcome, is_replaced = await self._outcome_of(
            found.replace_suffix(start, items(batch, size))
        )
        if outcome == "acknowledged" and not is_replaced:
            outcome = "refused"
        self._journal.end(operation, outcome)

    async def pop(self, session: MongoSession) -> None:
        operation = self._journal.begin("pop", session=session.session_id)
        outcome, item = await self._outcome_of(session.pop_item())
        marks = marks_in(json.dumps(item))
        self._journal.end(operation, outcome, mark=marks[0] if marks else None)

    async def look(self, session: MongoSession) -> None:
        operation = self._journal.begin("look", session=session.session_id)
        outcome, view = await self._outcome_of(session.get_items())
        is_redacted = session.session_id.startswith("redacted-")
        shown = versions_in(json.dumps(view)) if is_redacted else []
        self._journal.end(operation, outcome, shown=shown)
        if outcome != "acknowledged":
            return
        tokens = sum(map(self._count_tokens, view))
        if tokens > MAX_TOKENS:
            self._journal.problem(f"{session.session_id}: a view of {tokens} tokens")
        is_own, added = session.session_id == self._own, self._acknowledged
        if is_own and added and added not in marks_in(json.dumps(view)):
            self._journal.problem(f"{self._own}: a view without {added}, which was added before")
        for problem in rejections(view):
            self._journal.problem(f"{session.session_id}: {problem}")

    def _new_batch(self) -> str:
        self._batches += 1
        return f"{self._name}-{self._batches}"

    async def _outcome_of(self, operation: Coroutine[Any, Any, Any]) -> tuple[str, Any]:
        """Run it, or cancel it at a random moment; any error is an outcome, and told.

        "refused": the call has changed nothing.
        """
        task = asyncio.ensure_future(operation)
        if self._dice.random() < 0.04:
            asyncio.get_running_loop().call_later(self._dice.uniform(0, 0.03), task.cancel)
        try:
            return "acknowledged", await task
        except asyncio.CancelledError:
            return "cancelled", None
        except _REFUSALS:
            return "refused", None
        except WrongOwner as error:
            self._journal.problem(f"{self._name}: {error}")  # the owner never changes
            return "refused", None
        except Exception as error:  # noqa: BLE001 - it is for the report
            print(f"{self._name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            return "failed", None
