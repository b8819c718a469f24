"""Fewer connections than operations: they wait for each other, and none fails."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from pymongo.monitoring import ConnectionPoolListener

from mongo_sessions import MongoSessionStore, TokenLimit
from tests.conftest import open_database


class Connections(ConnectionPoolListener):
    """How many connections for commands a client has made, and how many are in use at most."""

    def __init__(self) -> None:
        self.created = self.in_use = self.most_in_use = 0
        self._lock = threading.Lock()  # Motor's threads tell it at once

    def connection_created(self, event: Any) -> None:
        with self._lock:
            self.created += 1

    def connection_checked_out(self, event: Any) -> None:
        with self._lock:
            self.in_use += 1
            self.most_in_use = max(self.most_in_use, self.in_use)

    def connection_checked_in(self, event: Any) -> None:
        with self._lock:
            self.in_use -= 1

    def _ignore(self, event: Any) -> None:
        pass

    pool_created = pool_ready = pool_cleared = pool_closed = _ignore
    connection_ready = connection_closed = _ignore
    connection_check_out_started = connection_check_out_failed = _ignore


async def test_500_concurrent_turns_through_a_pool_of_5(driver, replica_set):
    connections = Connections()
    options = {"maxPoolSize": 5, "event_listeners": [connections]}
    async with open_database(driver, replica_set, **options) as database:
        store = MongoSessionStore(database, policy=TokenLimit(1_000))

        async def turn(number: int) -> list:
            session = store.session(f"user-{number}")
            items = [{"role": "user", "content": f"{number}: {n}"} for n in range(3)]
            assert await session.get_items() == []
            await session.add_items(items[:1])
            await session.add_items(items[1:])
            assert await session.get_items() == items
            return items

        turns = await asyncio.gather(*map(turn, range(500)))
        assert connections.most_in_use == connections.created == 5
        assert connections.in_use == 0
        fresh = MongoSessionStore(database)
        for number, items in enumerate(turns):
            session = fresh.session(f"user-{number}")
            entries = [(entry.seq, entry.item) async for entry in session.entries()]
            assert entries == list(enumerate(items, 1))
        assert await database["session_items"].count_documents({}) == 1_500
