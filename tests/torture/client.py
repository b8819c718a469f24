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
from typing import TYPE_CHECKING

from mongo_sessions import MongoSessionStore, SummarizeOlder
from tests.support.clients import open_client

from .editor import Editor
from .journal import Journal
from .marks import Covered, versions_in
from .poller import Poller
from .sessions import SHARED
from .writer import MAX_TOKENS

if TYPE_CHECKING:
    from mongo_sessions import SummaryRequest

DATABASE = "torture"


@dataclass(frozen=True)
class Orders:
    """The arguments of a client."""

    name: str
    """Its own: no other client ever has the same."""
    slot: int
    """The same for a client and for its replacements."""
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
    return str(Covered.of(versions_in(request.transcript)))


async def run(orders: Orders) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_reader(sys.stdin, os._exit, 1)  # the parent process has ended
    journal = Journal(Path(orders.journal))
    # A claim of a client that was killed lasts for the timeout and ten seconds.
    policy = SummarizeOlder(tell_what_is_covered, max_tokens=MAX_TOKENS, timeout=2.0)
    async with open_client(orders.driver, orders.uri) as client:
        store = MongoSessionStore(client[DATABASE], policy=policy)
        writers = (Editor(orders, number, store, journal) for number in range(orders.writers))
        poller = Poller(f"{orders.name}.poller", store, journal, SHARED)
        tasks = [*(writer.run(stopping) for writer in writers), poller.run(stopping)]
        await asyncio.gather(*tasks)
        await store.close()
    journal.close()


if __name__ == "__main__":
    asyncio.run(run(Orders(**json.loads(sys.argv[1]))))
