"""Sessions of 50 turns in one process, through both drivers: memory, tasks and connections.

``python -W error -m tests.support.soak URI 2000`` prints one JSON object a line: the
counts after each fifth of the sessions, when none is in use, and at the end, when all is closed.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient, MongoClient

from mongo_sessions import MongoSessionStore, SummarizeOlder, TokenLimit
from tests.support.scribes import Scribe

TURNS = 50
STAGES = 5
POOL = 8  # connections for each driver, and sessions that are in use at once
OBSERVERS = 2  # connections: one to watch the server, one for commands
DATABASE = "soak"

TURN = [
    {"role": "user", "content": "What is the weather in Lisbon?"},
    {"role": "assistant", "content": "It is sunny in Lisbon, 21 degrees."},
]


class Observer:
    """Sees the process and, through a client of its own, the server."""

    def __init__(self, uri: str) -> None:
        # Polling, or there would be a third connection soon.
        self._client: MongoClient[dict[str, Any]] = MongoClient(uri, serverMonitoringMode="poll")

    def report(self, turns: int) -> None:
        gc.collect()
        status = self._client.admin.command("serverStatus")
        figures = {
            "turns": turns,
            "resident_kb": _resident_bytes() // 1024,
            "objects": len(gc.get_objects()),
            "tasks": len(asyncio.all_tasks()) - 1,
            "threads": threading.active_count(),
            "connections": status["connections"]["current"],
            "cursors": status["metrics"]["cursor"]["open"]["total"],
        }
        print(json.dumps(figures), flush=True)

    def wait_until_alone(self) -> None:
        """The server takes a moment to notice what is closed. If it is not, the report shows it."""
        deadline = time.monotonic() + 30
        while self._connections() > OBSERVERS and time.monotonic() < deadline:
            time.sleep(0.01)

    def _connections(self) -> int:
        status = self._client.admin.command("serverStatus")
        connections: int = status["connections"]["current"]
        return connections

    def close(self) -> None:
        self._client.close()


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def converse(store: MongoSessionStore, number: int) -> None:
    """One session, as a web service has it: an object a turn."""
    policy = SummarizeOlder(Scribe(), max_tokens=1_000) if number % 10 == 0 else TokenLimit(300)
    session_id = f"user-{number:04}"
    for _ in range(TURNS):
        session = store.session(session_id, policy=policy)
        await session.get_items()
        await session.add_items(TURN)
    async for _ in session.entries():
        break  # and leave the rest
    await session.flush()


async def converse_all(store: MongoSessionStore, numbers: range) -> None:
    waiting = iter(numbers)

    async def take_one_after_the_other() -> None:
        for number in waiting:
            await converse(store, number)

    await asyncio.gather(*(take_one_after_the_other() for _ in range(POOL)))


async def soak(uri: str, sessions: int) -> None:
    observer = Observer(uri)
    pooled = f"{uri}&maxPoolSize={POOL}&minPoolSize={POOL}"
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(pooled)
    through_pymongo = MongoSessionStore(client[DATABASE])
    through_motor = MongoSessionStore.from_uri(pooled, DATABASE)
    part = sessions // STAGES
    for stage in range(STAGES):
        first, last = stage * part, (stage + 1) * part
        # Motor has a quarter of them: it takes twice as long.
        middle = last - part // 4
        await asyncio.gather(
            converse_all(through_pymongo, range(first, middle)),
            converse_all(through_motor, range(middle, last)),
        )
        observer.report(last * TURNS)
    await check(through_motor, sessions)
    await through_motor.close()
    await through_pymongo.close()
    await client.close()
    observer.wait_until_alone()
    observer.report(sessions * TURNS)
    observer.close()


async def check(store: MongoSessionStore, sessions: int) -> None:
    found = await store.list_sessions(limit=sessions + 1)
    assert [info.session_id for info in found] == [f"user-{n:04}" for n in range(sessions)]
    assert {info.items for info in found} == {len(TURN) * TURNS}


if __name__ == "__main__":
    asyncio.run(soak(sys.argv[1], int(sys.argv[2])))
