"""Work of many at once: on as many sessions, and on one."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from .alone import NEWEST
from .data import conversation
from .floor import Bare
from .race import Lane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.items import TResponseInputItem
    from agents.memory import Session

    from .contenders import Field
    from .scale import Scale

WRITERS = (4, 16)
WRITTEN = (1, 4)
"""Items in a batch."""

_BEGUN = 60


def at_once_name(scale: Scale) -> str:
    return f"{scale.sessions_at_once} sessions at once: newest {NEWEST}, append 4"


def writers_name(scale: Scale, writers: int, items: int) -> str:
    return f"{writers} writers on one session: {scale.written_by_each} x append {items}"


async def sessions_at_once(field: Field, operations: int) -> list[Lane]:
    """As an assistant has it when everybody comes at nine: the time until all are served."""
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
