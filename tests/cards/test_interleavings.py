"""Deletions, appends and runs of owners in drawn orders, command by command; some are killed."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest
from agents import RunContextWrapper

from mongo_sessions import Conflict, MongoSessionStore, SessionDeleted, WrongOwner
from mongo_sessions.log.cards.cards import Cards
from mongo_sessions.log.log import Log
from mongo_sessions.log.writes.clear import Clearer
from mongo_sessions.log.writes.taking import Taker
from tests.support.clients import both_at_night

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

STEPS: list[tuple[Any, str]] = [
    *((Cards, name) for name in ("find", "claim", "close", "reopen", "bury", "touch")),
    *((Log, name) for name in ("end_of", "append", "newest")),
    *((Taker, "take_next"), (Taker, "find"), (Clearer, "clean")),
]
ROUNDS = 60
_PLACE: ContextVar[tuple[Order, str] | None] = ContextVar("place", default=None)


class Killed(Exception):
    """The process ends here."""


class Order:
    """Lets one task at a time do its next step: which one is drawn."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._changed = asyncio.Event()

    async def step(self, name: str) -> None:
        allowed = self._waiting[name] = asyncio.get_running_loop().create_future()
        self._changed.set()
        await allowed

    async def run(self, work: dict[str, Coroutine[Any, Any, None]], kill_after: int) -> None:
        """Run all; "deletion" is killed after so many of its steps."""
        tasks = {name: asyncio.create_task(self._named(name, one)) for name, one in work.items()}
        while left := {name for name, task in tasks.items() if not task.done()}:
            if not left <= self._waiting.keys():
                await self._changed.wait()
                self._changed.clear()
                continue
            name = self._dice.choice(sorted(left))
            allowed = self._waiting.pop(name)
            kill_after -= name == "deletion"
            if name == "deletion" and kill_after < 0:
                allowed.set_exception(Killed)
            else:
                allowed.set_result(None)
        await asyncio.gather(*tasks.values())

    async def _named(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        _PLACE.set((self, name))
        try:
            await work
        except (Killed, Conflict, SessionDeleted, WrongOwner):
            pass
        finally:
            self._changed.set()


def in_order(method: Callable[..., Any]) -> Callable[..., Any]:
    async def step(*args: Any, **how: Any) -> Any:
        if place := _PLACE.get():
            order, task = place
            await order.step(task)
        return await method(*args, **how)

    return step


def said(owner: str) -> Any:
    return {"role": "user", "content": owner}


@both_at_night
@pytest.mark.parametrize("by_owner", [True, False], ids=["by its owner", "by the application"])
async def test_all_items_are_of_the_owner_of_the_card(database, monkeypatch, by_owner):
    for cls, name in STEPS:
        monkeypatch.setattr(cls, name, in_order(getattr(cls, name)))
    stores = {name: MongoSessionStore(database) for name in ("append", "run", "other", "deletion")}

    async def append(session_id: str, owner: str, store: str = "append") -> None:
        await stores[store].session(session_id, owner=owner).add_items([said(owner)])

    async def insist(session_id: str, owner: str) -> None:
        for _ in range(6):
            with suppress(WrongOwner, SessionDeleted):
                await append(session_id, owner, "other")

    async def run(session_id: str, owner: str) -> None:
        session = stores["run"].session(session_id, owner=owner)
        wrapper = RunContextWrapper(None)
        await session.get_items(wrapper=wrapper)
        await session.add_items([said(owner)], wrapper=wrapper)

    async def delete(session_id: str) -> None:
        store = stores["deletion"]
        deleting: Any = store.for_owner("u1") if by_owner else store
        await deleting.delete_session(session_id)

    owners = []
    for number in range(ROUNDS):
        dice, session_id = random.Random(number), f"s{number}"
        await append(session_id, "u1")
        order = Order(dice)
        work = {
            "deletion": delete(session_id),
            "append": append(session_id, "u1"),
            "run": run(session_id, "u1"),
            "other": insist(session_id, "u2"),
        }
        await order.run(work, kill_after=dice.randrange(20))
        items = await stores["other"].session(session_id).get_items()
        card = await database["session_items_cards"].find_one({"_id": session_id})
        owner = (card or {}).get("owner")
        assert [item["content"] for item in items] == [owner] * len(items), number
        owners.append(owner)
    assert {"u1", "u2"} <= set(owners)
