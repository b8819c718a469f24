"""Concurrent work: many sessions, and many writers on one, in one process and in several."""

from __future__ import annotations

import asyncio
import json
import sys
from functools import partial
from typing import TYPE_CHECKING

from .alone import NEWEST
from .contenders import OURS, SDK_MONGO
from .data import conversation
from .ours import Bare
from .race import Lane
from .writer import GO, READY, write

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Sequence

    from agents.items import TResponseInputItem
    from agents.memory import Session

    from .contenders import Field
    from .run import Scale


WRITERS = (4, 16)
WRITTEN = (1, 4)
"""Items in a batch."""

_BEGUN = 60


def at_once_name(scale: Scale) -> str:
    return f"{scale.sessions_at_once} sessions at once: newest {NEWEST}, append 4"


def writers_name(scale: Scale, writers: int, items: int) -> str:
    return f"{writers} writers on one session: {scale.written_by_each} x append {items}"


async def sessions_at_once(field: Field, operations: int) -> list[Lane]:
    """A burst of requests: the time until all sessions are served."""
    del operations
    batch = conversation(4)

    async def serve(session: Session) -> None:
        await session.get_items(limit=NEWEST)
        await session.add_items(batch)

    async def serve_all(sessions: Sequence[Session]) -> None:
        await asyncio.gather(*map(serve, sessions))

    lanes = []
    for contender in field.contenders:
        sessions = await asyncio.gather(
            *(
                field.filled(contender, f"{number} of many/{contender.name}", _BEGUN)
                for number in range(field.scale.sessions_at_once)
            )
        )
        lanes.append(Lane(at_once_name(field.scale), contender.name, partial(serve_all, sessions)))
    return lanes


async def writers(field: Field, operations: int) -> list[Lane]:
    """Each with a session object of its own, in one process: the time until all have written.

    The bare driver has no answer to that; its answer would be another library.
    """
    del operations

    async def write(session: Session, batch: list[TResponseInputItem]) -> None:
        for _ in range(field.scale.written_by_each):
            await session.add_items(batch)

    async def write_all(sessions: Sequence[Session], batch: list[TResponseInputItem]) -> None:
        await asyncio.gather(*(write(session, batch) for session in sessions))

    lanes = []
    for contender in field.contenders:
        if isinstance(contender, Bare):
            continue
        for items in WRITTEN:
            for number in WRITERS:
                work = writers_name(field.scale, number, items)
                first = await field.filled(contender, f"{work}/{contender.name}", _BEGUN)
                sessions = [contender.session(first.session_id) for _ in range(number)]
                operation = partial(write_all, sessions, conversation(4)[-items:])
                lanes.append(Lane(work, contender.name, operation))
    return lanes


def processes_name(scale: Scale, items: int) -> str:
    writers = f"{scale.processes} writers in different processes"
    return f"{writers}: {scale.written_by_each} x append {items}"


async def in_processes(field: Field, operations: int) -> list[Lane]:
    """The time until all have written. Of the contenders on MongoDB alone: it is about retries."""
    del operations
    lanes = []
    for contender in field.contenders:
        if contender.name not in {*OURS.values(), SDK_MONGO}:
            continue
        session_ids = {}
        for items in WRITTEN:
            work = processes_name(field.scale, items)
            session_ids[items] = f"{work}/{contender.name}"
            await field.filled(contender, session_ids[items], _BEGUN)
        crowd = _Processes(contender.name, field, session_ids)
        field.ends.push_async_callback(crowd.end)
        await crowd.begin()
        for items in WRITTEN:
            operation = partial(crowd.write, items)
            lanes.append(Lane(processes_name(field.scale, items), contender.name, operation))
    return lanes


class _Processes:
    """Processes that write a number of batches each time they are told to.

    Args:
        name: Of the contender.
        field: Of the run.
        session_ids: By the number of items in a batch.
    """

    def __init__(self, name: str, field: Field, session_ids: dict[int, str]) -> None:
        self._number = field.scale.processes
        batches = str(field.scale.written_by_each)
        sessions = json.dumps(session_ids)
        self._arguments = [name, field.mongo, field.namespace, batches, sessions]
        self._processes: list[Process] = []

    async def begin(self) -> None:
        for _ in range(self._number):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", write.__module__, *self._arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            self._processes.append(process)
        await self._all_ready()

    async def write(self, items: int) -> None:
        for process in self._processes:
            assert process.stdin is not None  # noqa: S101 - for mypy
            process.stdin.write(b"%s %d\n" % (GO, items))
        await self._all_ready()

    async def end(self) -> None:
        """A writer ends with its standard input."""
        for process in self._processes:
            assert process.stdin is not None  # noqa: S101 - for mypy
            process.stdin.close()  # communicate() leaves it open, before Python 3.12
        for process in self._processes:
            await process.wait()

    async def _all_ready(self) -> None:
        for process in self._processes:
            assert process.stdout is not None  # noqa: S101 - for mypy
            if await process.stdout.readline() != READY:
                raise RuntimeError("a writer has ended: its error stands above")
