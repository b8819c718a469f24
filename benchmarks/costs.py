"""Costs beside time: round trips, documents examined, bytes, memory; and the machine."""

from __future__ import annotations

import asyncio
import gc
import os
import platform
import re
import subprocess
import sys
import tracemalloc
from collections import defaultdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from pymongo.monitoring import CommandListener

from .data import batches, conversation
from .field import on_mongo
from .ours import clients
from .race import DOCUMENTS_EXAMINED, ROUND_TRIPS, Figure, Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agents.memory import Session
    from pymongo.monitoring import (
        CommandFailedEvent,
        CommandStartedEvent,
        CommandSucceededEvent,
    )

    from mongo_sessions.log.server.drivers import AnyDriver

    from .contenders import Contender, Field
    from .race import Lane
    from .run import Piece


_WARM_UP = 3


# Of the collection that is written behind the appends, once a minute, for all sessions at once.
_CARDS = "_cards"


class Counter(CommandListener):
    """Counts commands, not those on cards. It takes time: no client that is raced has one."""

    def __init__(self) -> None:
        self.commands = 0

    def started(self, event: CommandStartedEvent) -> None:
        self.commands += not str(event.command.get(event.command_name)).endswith(_CARDS)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass


async def commands(
    uri: str, namespace: str, field: Field, pieces: Sequence[Piece], tick: Callable[[], object]
) -> list[Figure]:
    """Of one operation each, after some that make a session one in use."""
    figures = []
    counter = Counter()
    pace = Pace(1, _WARM_UP + 1, warm_up=0)
    async with clients(uri, counter) as (motor, pymongo), clients(uri) as (_, unheard):
        contenders = on_mongo(motor[namespace], pymongo[namespace])
        listened = field.with_contenders(contenders)
        for piece in pieces:
            for lane in await piece.lanes(listened, pace):
                figures += await _cost(lane, counter, unheard[namespace])
            tick()
        for contender in contenders:
            await contender.close()
    return figures


async def _cost(lane: Lane, counter: Counter, database: AnyDriver) -> list[Figure]:
    for _ in range(_WARM_UP):
        await lane.operation()
    await database.drop_collection("system.profile")
    await database.command("profile", 2)
    counter.commands = 0
    try:
        await lane.operation()
    finally:
        await database.command("profile", 0)
    examining = {"docsExamined": {"$gt": 0}, "ns": {"$not": {"$regex": f"{_CARDS}$"}}}
    profiled = await database["system.profile"].find(examining).to_list(None)
    examined = sum(one["docsExamined"] for one in profiled)
    return [
        Figure.exact(ROUND_TRIPS, lane.work, lane.contender, "commands", counter.commands),
        Figure.exact(DOCUMENTS_EXAMINED, lane.work, lane.contender, "documents", examined),
    ]


STORED, MEMORY, IMPORT = "bytes stored", "memory", "import time"
DATA_NAME, DISK_NAME = "per item, uncompressed, without indexes", "per item, all that it takes"
MEMORY_NAME = "an open session, which was read once"
MODULES = (
    "mongo_sessions",
    "motor.motor_asyncio",
    "pymongo",
    "agents.extensions.memory.mongodb_session",
)
FRESH_PROCESS = "a fresh process"

_ITEMS = 100
_SESSIONS_BEFORE = 20
_IMPORT = """
import time
start = time.perf_counter()
import {module}
print((time.perf_counter() - start) * 1_000)
"""


async def stored(contenders: Sequence[Contender], sessions: int) -> list[Figure]:
    """Of sessions that a Runner wrote, through ``add_items`` and in its batches."""

    async def write(session: Session) -> None:
        for batch in batches(conversation(_ITEMS)):
            await session.add_items(batch)

    figures: dict[str, list[tuple[str, float]]] = {}
    for contender in contenders:
        if contender.kept_as not in figures:
            opened = [contender.session(f"stored/{number}") for number in range(sessions)]
            await asyncio.gather(*map(write, opened))
            data, disk = await contender.stored()
            found = [(DISK_NAME, disk / sessions / _ITEMS)]
            if data is not None:
                found.insert(0, (DATA_NAME, data / sessions / _ITEMS))
            figures[contender.kept_as] = found
    return [
        Figure.exact(STORED, work, contender.name, "bytes", value)
        for contender in contenders
        for work, value in figures[contender.kept_as]
    ]


async def memory(
    contenders: Sequence[Contender], sessions: int, tick: Callable[[], object]
) -> list[Figure]:
    """Python's own allocations; what a C library takes for itself (SQLite) is not seen."""
    figures = []
    for contender in contenders:
        kept = await _opened(contender, "before", _SESSIONS_BEFORE)
        tracemalloc.start()
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        kept += await _opened(contender, "memory", sessions)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        each = (after - before) / (len(kept) - _SESSIONS_BEFORE)
        figures.append(Figure.exact(MEMORY, MEMORY_NAME, contender.name, "bytes", each))
        tick()
    return figures


async def _opened(contender: Contender, prefix: str, number: int) -> list[Session]:
    sessions = [contender.session(f"{prefix}/{index}") for index in range(number)]
    for session in sessions:
        await session.get_items(limit=1)
    return sessions


def imports(rounds: int, tick: Callable[[], object]) -> list[Figure]:
    """Of fresh processes, taking turns."""
    samples = defaultdict(list)
    for _ in range(rounds):
        for module in MODULES:
            command = [sys.executable, "-c", _IMPORT.format(module=module)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
            samples[module].append([float(done.stdout)])
        tick()
    return [
        Figure.of(IMPORT, f"import {module}", FRESH_PROCESS, "ms", samples[module])
        for module in MODULES
    ]


_PACKAGES = (
    "mongo-sessions",
    "openai-agents",
    "motor",
    "pymongo",
    "SQLAlchemy",
    "asyncpg",
    "redis",
)


async def machine(contenders: Sequence[Contender]) -> dict[str, object]:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {package: found for package in _PACKAGES if (found := _version(package))},
        "servers": list(dict.fromkeys([await contender.version() for contender in contenders])),
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists() and (named := re.search(r"model name\s*: (.+)", info.read_text())):
        return named[1]
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
