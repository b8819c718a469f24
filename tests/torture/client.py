"""A process of writers: ``python -m tests.torture.client '{"uri": …}'``, until SIGTERM.

It may be killed at any moment. What it does is drawn from its seed; when it does it, is not.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mongo_sessions import MongoSessionStore, SummarizeOlder
from mongo_sessions.policies import TiktokenCounter
from tests.support.clients import open_client
from tests.support.conversations import rejections

from .journal import Journal
from .marks import Covered, Mark, items, marks_in
from .poller import Poller

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from mongo_sessions import MongoSession, SummaryRequest

MAX_TOKENS = 4_000
DATABASE = "torture"

SHARED = ("shared-1", "shared-2", "popped-1", "popped-2", "cleared-1", "replaced-1", "mixed-1")
# What is done to a session, by the first word of its name, and how often.
_WORK = {
    "alone": {"look": 10, "add": 90},
    "shared": {"look": 10, "add": 90},
    "popped": {"look": 10, "add": 60, "pop": 30},
    "cleared": {"look": 10, "add": 65, "pop": 20, "clear": 5},
    "replaced": {"look": 10, "add": 60, "pop": 15, "replace": 15},
    "mixed": {"look": 10, "add": 60, "pop": 15, "replace": 12, "clear": 3},
}


@dataclass(frozen=True)
class Orders:
    """What a client is told on its command line."""

    name: str
    """Its own: no other client ever has the same."""
    slot: int
    """The same for a client and for those that take its place."""
    driver: str
    uri: str
    seed: str
    journal: str
    writers: int

    def as_arguments(self) -> list[str]:
        return [sys.executable, "-m", __spec__.name, json.dumps(asdict(self))]


async def tell_what_is_covered(request: SummaryRequest) -> str:
    """A summariser that no model could be: it adds up which items it was given.

    It takes its time, so that clients are killed between the claim and the summary, too.
    """
    await asyncio.sleep(random.uniform(0, 0.5))
    if request.kind == "merge":
        return str(Covered.told_in(request.transcript))
    return str(Covered.of(marks_in(request.transcript)))


async def run(orders: Orders) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_reader(sys.stdin, os._exit, 1)  # whoever started it is gone
    journal = Journal(Path(orders.journal))
    # A claim of a client that was killed lasts for the timeout and ten seconds.
    policy = SummarizeOlder(tell_what_is_covered, max_tokens=MAX_TOKENS, timeout=2.0)
    async with open_client(orders.driver, orders.uri) as client:
        store = MongoSessionStore(client[DATABASE], policy=policy)
        writers = (Writer(orders, number, store, journal) for number in range(orders.writers))
        poller = Poller(f"{orders.name}.poller", store, journal, SHARED)
        tasks = [*(writer.run(stopping) for writer in writers), poller.run(stopping)]
        await asyncio.gather(*tasks)
        await store.close()
    journal.close()


class Writer:
    """One task. It has a session for itself, and shares others with everybody."""

    def __init__(
        self, orders: Orders, number: int, store: MongoSessionStore, journal: Journal
    ) -> None:
        self._name = f"{orders.name}.{number}"
        self._dice = random.Random(f"{orders.seed}/{self._name}")
        self._store = store
        self._journal = journal
        self._count_tokens = TiktokenCounter()
        self._batches = 0
        self._own = f"alone-{orders.slot}.{number}"
        self._names = [self._own, self._own, *SHARED]
        self._acknowledged: Mark | None = None
        """The last item that was added to its own session."""
        self._sessions: dict[str, MongoSession] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            name = self._dice.choice(self._names)
            if name not in self._sessions or self._dice.random() < 0.05:
                self._sessions[name] = self._store.session(name)
            session = self._sessions[name]
            kinds, weights = zip(*_WORK[name.partition("-")[0]].items(), strict=True)
            (kind,) = self._dice.choices(kinds, weights)
            await getattr(self, kind)(session)
            await asyncio.sleep(self._dice.uniform(0, 0.02))

    async def add(self, session: MongoSession) -> None:
        self._batches += 1
        batch = f"{self._name}-{self._batches}"
        size = self._dice.choice([1, 1, 1, 2, 3, 4, 5])
        operation = self._journal.begin("add", batch=batch, session=session.session_id, size=size)
        outcome, _ = await self._outcome_of(session.add_items(items(batch, size)))
        self._journal.end(operation, outcome)
        if outcome == "acknowledged" and session.session_id == self._own:
            self._acknowledged = Mark(batch, size - 1, size)

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
        self._batches += 1
        batch, size = f"{self._name}-{self._batches}", self._dice.choice([1, 3])
        operation = self._journal.begin(
            "replace", batch=batch, session=session.session_id, size=size, gone=gone
        )
        await asyncio.sleep(self._dice.uniform(0, 0.02))  # others may change the end
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
        operation = self._journal.begin("look")
        outcome, view = await self._outcome_of(session.get_items())
        self._journal.end(operation, outcome)
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

    async def _outcome_of(self, operation: Coroutine[Any, Any, Any]) -> tuple[str, Any]:
        """Run it, or cancel it at a random moment; any error is an outcome, and told."""
        task = asyncio.ensure_future(operation)
        if self._dice.random() < 0.04:
            asyncio.get_running_loop().call_later(self._dice.uniform(0, 0.03), task.cancel)
        try:
            return "acknowledged", await task
        except asyncio.CancelledError:
            return "cancelled", None
        except Exception as error:  # noqa: BLE001 - it is for the report
            print(f"{self._name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            return "failed", None


if __name__ == "__main__":
    asyncio.run(run(Orders(**json.loads(sys.argv[1]))))
