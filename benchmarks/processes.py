"""Writers on one session, each in a process of its own, as the workers of a service are."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from .data import conversation
from .field import OURS, SDK_MONGO, on_mongo
from .mongo import clients
from .race import Lane

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from .contenders import Field
    from .scale import Scale

WRITERS = 4
WRITTEN = (1, 4)
"""Items in a batch."""

_BEGUN = 60
_READY, _GO = b"ready\n", b"go\n"


def processes_name(scale: Scale, items: int) -> str:
    return f"{WRITERS} writers in different processes: {scale.written_by_each} x append {items}"


async def writers(field: Field, operations: int) -> list[Lane]:
    """The time until all have written. Of the contenders on MongoDB alone: it is about retries."""
    del operations
    lanes = []
    for contender in field.contenders:
        if contender.name not in {*OURS.values(), SDK_MONGO}:
            continue
        for items in WRITTEN:
            work = processes_name(field.scale, items)
            session_id = f"{work}/{contender.name}"
            await field.filled(contender, session_id, _BEGUN)
            crowd = _Crowd(contender.name, field, session_id, items)
            field.ends.push_async_callback(crowd.end)
            await crowd.begin()
            lanes.append(Lane(work, contender.name, crowd.write))
    return lanes


class _Crowd:
    """Processes that write a number of batches each time they are told to."""

    def __init__(self, name: str, field: Field, session_id: str, items: int) -> None:
        numbers = field.scale.written_by_each, items
        self._arguments = [name, field.mongo, field.namespace, session_id, *map(str, numbers)]
        self._processes: list[Process] = []

    async def begin(self) -> None:
        for _ in range(WRITERS):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", __spec__.name, *self._arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            self._processes.append(process)
        await self._all_ready()

    async def write(self) -> None:
        for process in self._processes:
            assert process.stdin is not None  # noqa: S101 - for mypy
            process.stdin.write(_GO)
        await self._all_ready()

    async def end(self) -> None:
        """A writer ends with its standard input."""
        for process in self._processes:
            await process.communicate()

    async def _all_ready(self) -> None:
        for process in self._processes:
            assert process.stdout is not None  # noqa: S101 - for mypy
            if await process.stdout.readline() != _READY:
                raise RuntimeError("a writer has ended: its error stands above")


async def _write(  # noqa: PLR0917 - the command line
    name: str, uri: str, namespace: str, session_id: str, batches: str, items: str
) -> None:
    batch = conversation(4)[-int(items) :]
    async with clients(uri) as (motor, pymongo):
        contenders = on_mongo(motor[namespace], pymongo[namespace])
        contender = next(one for one in contenders if one.name == name)
        session = contender.session(session_id)
        await session.get_items(limit=1)
        while True:
            sys.stdout.buffer.write(_READY)
            sys.stdout.buffer.flush()
            if await asyncio.to_thread(sys.stdin.buffer.readline) != _GO:
                break
            for _ in range(int(batches)):
                await session.add_items(batch)
        for one in contenders:
            await one.close()


if __name__ == "__main__":
    asyncio.run(_write(*sys.argv[1:]))
