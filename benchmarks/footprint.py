"""What it takes to be there: bytes stored, memory of a session object, time to be imported."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import tracemalloc
from collections import defaultdict
from typing import TYPE_CHECKING

from .data import batches, conversation
from .figures import Figure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agents.memory import Session

    from .contenders import Contender

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
