"""Group commit: concurrent appends to one session become one write, and each batch stays atomic."""

from __future__ import annotations

import asyncio
from itertools import groupby

import pymongo
import pytest
from pymongo.errors import ConnectionFailure, WriteError

from mongo_sessions import MongoSessionStore
from mongo_sessions.log.documents import Head, NewItem
from mongo_sessions.log.writes.group_commit import NO_GROUPS, GroupCommit, GroupCommits, GroupLimits
from tests.conftest import open_database
from tests.support.faults import Commands, failing


class Writing:
    """An append that waits until it may go on, and can be made to fail."""

    def __init__(self) -> None:
        self.written: list[list[str]] = []
        self.heads: list[Head | None] = []
        self.may_go_on = asyncio.Event()
        self.refused: dict[str, Exception] = {}

    async def __call__(
        self,
        session_id: str,
        items: list[NewItem],
        head: Head | None,
        seconds: float,
        since: int | None,
    ) -> Head:
        assert 0 < seconds <= 30
        self.heads.append(head)
        self.written.append([item.encoded for item in items])
        await self.may_go_on.wait()
        for item in items:
            if item.encoded in self.refused:
                raise self.refused[item.encoded]
        return Head(None, sum(map(len, self.written)), 0, 0)


def batch(*names: str) -> list[NewItem]:
    return [NewItem(name, size=1_000, tokens=1, starts_turn=False) for name in names]


def queue_of(writing: Writing, items: int = 100, size: int = 1_000_000) -> GroupCommit:
    return GroupCommit("a", writing, limits=GroupLimits(items, size), retry_for=30)


async def add_all(queue: GroupCommit, *batches: list[NewItem]) -> list[asyncio.Task]:
    tasks = []
    for items in batches:
        tasks.append(asyncio.create_task(queue.add(items, None)))
        for _ in range(3):
            await asyncio.sleep(0)  # each is in the queue, or being written, before the next
    return tasks


@pytest.fixture
def writing() -> Writing:
    return Writing()


async def test_concurrent_appends_become_one_write_in_their_order(writing):
    queue = queue_of(writing)
    tasks = await add_all(queue, batch("1"), batch("2", "3"), batch("4"))
    writing.may_go_on.set()
    await asyncio.gather(*tasks)
    assert writing.written == [["1"], ["2", "3", "4"]]
    assert writing.heads == [None, Head(None, 1, 0, 0)], "the next group continues there"


@pytest.mark.parametrize(
    ("together", "groups"),
    [
        (NO_GROUPS, [["1"], ["2", "3"], ["4"], ["5"]]),
        (GroupLimits(2, 1_000_000), [["1"], ["2", "3"], ["4", "5"]]),
        (GroupLimits(3, 1_000_000), [["1"], ["2", "3", "4"], ["5"]]),
        (GroupLimits(100, 3_000), [["1"], ["2", "3", "4"], ["5"]]),
    ],
)
async def test_a_group_is_limited_in_size(writing, together, groups):
    queue = queue_of(writing, *together)
    tasks = await add_all(queue, batch("1"), batch("2", "3"), batch("4"), batch("5"))
    writing.may_go_on.set()
    await asyncio.gather(*tasks)
    assert writing.written == groups


async def test_a_refused_batch_does_not_fail_its_group(writing):
    queue = queue_of(writing)
    writing.refused = {"3": WriteError("refused by a validator", 121)}
    tasks = await add_all(queue, batch("1"), batch("2"), batch("3"), batch("4"))
    writing.may_go_on.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(outcome, Exception) for outcome in outcomes] == [False, False, True, False]
    assert writing.written == [["1"], ["2", "3", "4"], ["2"], ["3"], ["4"]]


async def test_a_failed_group_raises_for_each_caller_and_the_next_group_is_written(writing):
    queue = queue_of(writing)
    error = writing.refused["3"] = ConnectionFailure("gone")
    tasks = await add_all(queue, batch("1"), batch("2"), batch("3"))
    writing.may_go_on.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert outcomes[1:] == [error, error]
    assert await queue.add(batch("4"), Head(None, 7, 0, 0))
    assert writing.written == [["1"], ["2", "3"], ["4"]]
    assert writing.heads[-1] == Head(None, 7, 0, 0), "what failed may be there or not"


async def test_a_batch_cancelled_while_queued_is_not_written(writing):
    queue = queue_of(writing, items=0)
    first, second, third = await add_all(queue, batch("1"), batch("2", "3"), batch("4"))
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    writing.may_go_on.set()
    await asyncio.gather(first, third)
    assert writing.written == [["1"], ["4"]]


async def test_a_cancelled_caller_does_not_cancel_the_write_of_its_group(writing):
    queue = queue_of(writing)
    first, second = await add_all(queue, batch("1"), batch("2"))
    first.cancel()
    writing.may_go_on.set()
    await second
    assert writing.written == [["1"], ["2"]]


async def test_the_end_of_the_event_loop_cancels_queued_appends(writing):
    queue = queue_of(writing)
    tasks = await add_all(queue, batch("1"), batch("2"), batch("3"))
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 3
    writing.may_go_on.set()
    await queue.add(batch("4"), None)
    assert writing.written == [["1"], ["4"]]


async def test_a_queued_append_waits_at_most_retry_for(writing):
    queue = queue_of(writing, items=0)
    tasks = await add_all(queue, batch("1"), batch("2"), batch("3"), batch("4"))
    for late in queue._waiting[:2]:
        late.deadline = 0
    error = writing.refused["1"] = ConnectionFailure("gone")
    writing.may_go_on.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert outcomes[:3] == [error] * 3, "they fail with the error that delayed them"
    assert isinstance(outcomes[3], Head)
    assert writing.written == [["1"], ["4"]]


async def test_each_queued_append_has_its_own_deadline(writing):
    queue = queue_of(writing)
    writing.refused["1"] = writing.refused["2"] = ConnectionFailure("gone")
    tasks = await add_all(queue, batch("1"), batch("2"), batch("3"), batch("4"), batch("5"))
    writing.may_go_on.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(outcome, Head) for outcome in outcomes] == [False, False, True, True, True]
    assert writing.written == [["1"], ["2"], ["3"], ["4", "5"]]


async def test_a_group_cancelled_before_its_start_does_not_block_the_queue(writing):
    queue = queue_of(writing)
    first = asyncio.create_task(queue.add(batch("1"), None))
    await asyncio.sleep(0)
    queue._writer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    writing.may_go_on.set()
    await queue.add(batch("2"), None)
    assert writing.written == [["2"]]


async def test_a_group_is_not_written_under_the_timeout_of_one_caller(database):
    store = MongoSessionStore(database)
    await store.session("a").get_items()
    with pymongo.timeout(1e-6):  # it is over before anything is sent
        first = asyncio.create_task(store.session("a").add_items([{"role": "user"}]))
    second = asyncio.create_task(store.session("a").add_items([{"role": "user"}] * 2))
    await asyncio.gather(first, second)
    assert len(await store.session("a").get_items()) == 3


async def test_an_empty_queue_is_discarded(writing):
    queues = GroupCommits(writing, limits=GroupLimits(100, 1_000), retry_for=30)
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


async def test_all_tasks_of_a_process_share_one_queue(database):
    connection = MongoSessionStore(database)._connections.current()
    assert len(set(await asyncio.gather(*(connection.log() for _ in range(10))))) == 1


async def test_a_failed_group_stores_nothing_and_raises_for_each_caller(database):
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
