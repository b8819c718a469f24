"""What one operation asks of MongoDB: round trips, and documents that the server looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo.monitoring import CommandListener

from .field import on_mongo
from .figures import DOCUMENTS_EXAMINED, ROUND_TRIPS, Figure
from .mongo import clients
from .race import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pymongo.monitoring import (
        CommandFailedEvent,
        CommandStartedEvent,
        CommandSucceededEvent,
    )

    from mongo_sessions.log.drivers import AnyDriver

    from .contenders import Field
    from .race import Lane
    from .work import Piece

_WARM_UP = 3


class Counter(CommandListener):
    """Counts commands. It takes time, so no client that is raced has one."""

    def __init__(self) -> None:
        self.commands = 0

    def started(self, event: CommandStartedEvent) -> None:  # noqa: ARG002 - whatever it is
        self.commands += 1

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass


async def costs(
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
    profiled = await database["system.profile"].find({"docsExamined": {"$gt": 0}}).to_list(None)
    examined = sum(one["docsExamined"] for one in profiled)
    return [
        Figure.exact(ROUND_TRIPS, lane.work, lane.contender, "commands", counter.commands),
        Figure.exact(DOCUMENTS_EXAMINED, lane.work, lane.contender, "documents", examined),
    ]
