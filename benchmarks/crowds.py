"""Work of many at once: on as many sessions, and on one."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from .alone import NEWEST
from .data import conversation
from .floor import Bare
from .ours import Ours
from .race import Lane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.items import TResponseInputItem
    from agents.memory import Session

    from .contenders import Field
    from .scale import Scale

WRITERS = (4, 16)
APART = 4
"""Writers that share nothing but the client."""
WRITTEN = (1, 4)
"""Items in a batch."""

_BEGUN = 60


def at_once_name(scale: Scale) -> str:
    return f"{scale.sessions_at_once} sessions at once: newest {NEWEST}, append 4"


def writers_name(scale: Scale, writers: int, items: int) -> str:
    return f"{writers} writers on one session: {scale.written_by_each} x append {items}"


def apart_name(scale: Scale, items: int) -> str:
    return f"{APART} writers in different processes: {scale.written_by_each} x append {items}"


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
    """Each with a session object of its own, as workers have it: the time until all have written.

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
            crowds = {writers_name(field.scale, n, items): [contender.session] * n for n in WRITERS}
            # The others' session objects share nothing in any case.
            apart = contender.session_apart if isinstance(contender, Ours) else contender.session
            crowds[apart_name(field.scale, items)] = [apart] * APART
            for work, open_each in crowds.items():
                first = await field.filled(contender, f"{work}/{contender.name}", _BEGUN)
                sessions = [open_one(first.session_id) for open_one in open_each]
                operation = partial(write_all, sessions, conversation(4)[-items:])
                lanes.append(Lane(work, contender.name, operation))
    return lanes
