"""A process that appends batches to a session each time it is told to: see crowds.py.

It imports the SDK only for the SDK's own session: the import takes seconds in each of them.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

from .contenders import OURS, SDK_MONGO
from .data import conversation
from .ours import Ours, clients

if TYPE_CHECKING:
    from mongo_sessions.log.server.drivers import AnyDriver

    from .contenders import Contender

READY, GO = b"ready\n", b"go"


def _contender(name: str, motor: AnyDriver, pymongo: AnyDriver) -> Contender:
    if name != SDK_MONGO:
        return Ours(name, motor if name == OURS["Motor"] else pymongo)
    from .peers import SdkMongo  # noqa: PLC0415 - it imports the SDK

    return SdkMongo(name, pymongo)


async def write(name: str, uri: str, namespace: str, batches: str, session_ids: str) -> None:
    """Append that many batches each time; ``session_ids`` has one for each number of items."""
    async with clients(uri) as (motor, pymongo):
        contender = _contender(name, motor[namespace], pymongo[namespace])
        # Made before the first "go": what follows one is timed.
        work = {
            int(items): (contender.session(session_id), conversation(4)[-int(items) :])
            for items, session_id in json.loads(session_ids).items()
        }
        for session, _ in work.values():
            await session.get_items(limit=1)
        while True:
            sys.stdout.buffer.write(READY)
            sys.stdout.buffer.flush()
            go, _, items = (await asyncio.to_thread(sys.stdin.buffer.readline)).partition(b" ")
            if go != GO:
                break
            session, batch = work[int(items)]
            for _ in range(int(batches)):
                await session.add_items(batch)
        await contender.close()


if __name__ == "__main__":
    asyncio.run(write(*sys.argv[1:]))
