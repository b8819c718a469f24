"""What comes while a session is written to is written together; and each batch is still its own."""

from __future__ import annotations

import asyncio
from itertools import groupby

import pytest
from pymongo.errors import ConnectionFailure, WriteError

from mongo_sessions import MongoSessionStore
from mongo_sessions.append_queue import AppendQueue, AppendQueues
from mongo_sessions.documents import Head, NewItem
from mongo_sessions.errors import StoreClosed

from .conftest import open_database
from .faults import Commands, failing


class Writing:
    """An append that waits until it may go on, and can be made to fail."""

    def __init__(self) -> None:
        self.written: list[list[str]] = []
        self.heads: list[Head | None] = []
        self.may_go_on = asyncio.Event()
        self.refused: dict[str, Exception] = {}

    async def __call__(self, session_id: str, items: list[NewItem], head: Head | None) -> Head:
        self.heads.append(head)
        self.written.append([item.packed for item in items])
        await self.may_go_on.wait()
        for item in items:
            if item.packed in self.refused:
                raise self.refused[item.packed]
        return Head(None, sum(map(len, self.written)), 0, 0)


def batch(*names: str) -> list[NewItem]:
    return [NewItem(name, 1, starts_turn=False) for name in names]


async def add_all(queue: AppendQueue, *batches: list[NewItem]) -> list[asyncio.Task]:
    tasks = []
    for items in batches:
        tasks.append(asyncio.create_task(queue.add(items, None)))
        await asyncio.sleep(0)  # each is in the queue before the next
    return tasks


@pytest.fixture
def writing() -> Writing:
    return Writing()


async def test_what_waits_is_written_together_in_its_order(writing):
    queue = AppendQueue("a", writing, items_together=100)
    tasks = await add_all(queue, batch("1"), batch("2", "3"), batch("4"))
    writing.may_go_on.set()
    await asyncio.gather(*tasks)
    assert writing.written == [["1"], ["2", "3", "4"]]
    assert writing.heads == [None, Head(None, 1, 0, 0)], "what was written is where to go on"


@pytest.mark.parametrize(
    ("together", "groups"),
    [
        (0, [["1"], ["2", "3"], ["4"], ["5"]]),
        (2, [["1"], ["2", "3"], ["4", "5"]]),
        (3, [["1"], ["2", "3", "4"], ["5"]]),
    ],
)
async def test_no_more_than_so_many_items_are_written_together(writing, together, groups):
    queue = AppendQueue("a", writing, items_together=together)
    tasks = await add_all(queue, batch("1"), batch("2", "3"), batch("4"), batch("5"))
    writing.may_go_on.set()
    await asyncio.gather(*tasks)
    assert writing.written == groups


async def test_what_is_refused_for_itself_does_not_take_others_with_it(writing):
    queue = AppendQueue("a", writing, items_together=100)
    writing.refused = {"3": WriteError("refused by a validator", 121)}
    tasks = await add_all(queue, batch("1"), batch("2"), batch("3"), batch("4"))
    writing.may_go_on.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(outcome, Exception) for outcome in outcomes] == [False, False, True, False]
    assert writing.written == [["1"], ["2", "3", "4"], ["2"], ["3"], ["4"]]


@pytest.mark.parametrize("error", [ConnectionFailure("gone"), StoreClosed("closed")])
async def test_what_fails_for_all_is_everybodys_error_and_the_next_tries_again(writing, error):
    queue = AppendQueue("a", writing, items_together=100)
    writing.refused = {"3": error}
    tasks = await add_all(queue, batch("1"), batch("2"), batch("3"))
    writing.may_go_on.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert outcomes[1:] == [error, error]
    assert await queue.add(batch("4"), Head(None, 7, 0, 0))
    assert writing.written == [["1"], ["2", "3"], ["4"]]
    assert writing.heads[-1] == Head(None, 7, 0, 0), "what failed may be there or not"


async def test_a_queue_is_gone_when_nobody_waits_in_it(writing):
    queues = AppendQueues(writing, items_together=100)
    writing.may_go_on.set()
    await asyncio.gather(*(queues.add(str(n), batch("1"), None) for n in range(20)))
    assert len(queues._queues) == 0


async def test_many_tasks_take_few_transactions_and_every_batch_is_whole(driver, replica_set):
    sent = Commands()
    async with open_database(driver, replica_set, event_listeners=[sent]) as database:
        store = MongoSessionStore(database)
        await store.session("a").get_items()
        sent.clear()

        async def write(number: int) -> None:
            items = [{"role": "user", "content": f"{number}"}] * 3
            await store.session("a").add_items(items)

        await asyncio.gather(*map(write, range(50)))
        assert sent.names.count("commitTransaction") <= 5
        assert "abortTransaction" not in sent.names, "none was refused"
        items = await store.session("a").get_items()
        assert [len(list(group)) for _, group in groupby(items, str)] == [3] * 50


async def test_an_error_in_a_group_leaves_nothing_of_it_and_everybody_hears(database):
    store = MongoSessionStore(database, retry_for=0.3)
    session = store.session("a")
    assert await session.get_items() == []
    async with failing(database, "commitTransaction", times="alwaysOn", errorCode=13):
        adding = [session.add_items([{"role": "user", "content": str(n)}] * 2) for n in range(5)]
        outcomes = await asyncio.gather(*adding, return_exceptions=True)
    assert [getattr(outcome, "code", None) for outcome in outcomes] == [13] * 5
    assert await session.get_items() == []
    await session.add_items([{"role": "user", "content": "again"}])
    assert len(await session.get_items()) == 1
