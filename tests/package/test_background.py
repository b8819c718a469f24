"""Background work: one piece after the other, and waits within their timeouts."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

from mongo_sessions import MongoSessionStore
from mongo_sessions.concurrency.background import Background


class Work:
    """Counts its pieces; each waits until it is let go."""

    def __init__(self, pieces: int = 1) -> None:
        self.left = pieces
        self.done = 0
        self.under_way = asyncio.Event()
        self.gate = asyncio.Semaphore(0)
        self.has_ended = asyncio.Event()

    async def __call__(self) -> bool:
        self.under_way.set()
        await self.gate.acquire()
        self.done += 1
        self.left -= 1
        if self.left == 0:
            self.has_ended.set()
        return self.left > 0


async def test_join_waits_for_one_piece_and_the_rest_runs_on():
    background, work = Background(), Work(pieces=3)
    joining = asyncio.create_task(background.join("a", work, 60))
    await work.under_way.wait()
    work.gate.release()
    await joining
    assert work.done == 1
    work.gate.release()
    work.gate.release()
    await work.has_ended.wait()
    assert work.done == 3


async def test_finish_completes_the_current_piece_and_starts_no_other():
    background, work = Background(), Work(pieces=3)
    background.start("a", work)
    await work.under_way.wait()
    finishing = asyncio.create_task(background.finish())
    await asyncio.sleep(0)
    work.gate.release()
    await finishing
    assert work.done == 1
    assert not background._jobs


async def test_finish_includes_work_requested_during_the_current_piece():
    """A write that came while the last piece was under way may have made another due."""
    background, work = Background(), Work()
    background.start("a", work)
    await work.under_way.wait()
    background.start("a", work)
    background.start("a", work)
    finishing = asyncio.create_task(background.finish("a"))
    for _ in range(2):
        work.gate.release()
    await finishing
    assert work.done == 2


async def test_a_late_join_waits_for_the_rest_of_the_timeout_only():
    background, work = Background(), Work()
    background.start("a", work)
    await work.under_way.wait()
    (job,) = background._jobs.values()
    job.piece_began -= 100
    await asyncio.wait_for(background.join("a", work, 90), timeout=30)
    assert work.done == 0
    work.gate.release()
    await background.finish()


async def test_work_of_different_sessions_runs_concurrently():
    background, work, other = Background(), Work(), Work()
    background.start("a", work)
    other.gate.release()
    await background.join("b", other, 60)
    await background.finish("b")
    assert (work.done, other.done) == (0, 1)
    work.gate.release()
    await background.finish()
    assert work.done == 1


def test_work_of_a_closed_event_loop_is_discarded():
    store = MongoSessionStore.from_uri("mongodb://127.0.0.1:1", driver="motor")

    async def start() -> Work:
        work = Work()
        store._connections.current().background.start("a", work)
        await work.under_way.wait()
        return work

    loop = asyncio.new_event_loop()
    loop.run_until_complete(start())
    (task,) = asyncio.all_tasks(loop)
    task.cancel()
    (connection,) = store._connections._by_loop.values()
    jobs = connection.background._jobs
    jobs["b"] = jobs["a"]  # as if it had not been run
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    assert jobs

    async def another() -> None:
        work = await start()
        (connection,) = store._connections._by_loop.values()
        assert connection.background._jobs.keys() == {"a"}
        work.gate.release()
        await connection.background.finish()
        assert not connection.background._jobs
        await store.close()

    asyncio.run(another())


async def test_finish_does_not_wait_for_work_requested_later():
    """Under constant writes it would never return."""
    background, work = Background(), Work()
    background.start("a", work)
    await work.under_way.wait()
    finishing = asyncio.create_task(background.finish())
    await asyncio.sleep(0)  # it waits now
    background.start("a", work)
    work.gate.release()
    await finishing
    assert work.done == 1
    work.gate.release()
    await background.finish()
    assert work.done == 2


async def test_work_cancelled_before_its_start_does_not_block_later_work():
    background, work = Background(), Work()
    background.start("a", work)
    (job,) = background._jobs.values()
    job.task.cancel()
    await asyncio.wait({job.task})
    assert not background._jobs
    work.gate.release()
    await background.join("a", work, 60)
    assert work.done == 1


async def test_work_is_not_limited_by_the_timeout_of_its_request():
    """``pymongo.timeout`` is kept in a context, which tasks inherit."""
    background = Background()
    deadline: ContextVar[str] = ContextVar("deadline", default="none")
    seen = []

    async def look() -> bool:
        seen.append(deadline.get())
        return False

    deadline.set("in a second")
    await background.join("a", look, 60)
    assert seen == ["none"]


async def test_close_cancels_work_after_its_timeout_and_names_the_sessions(caplog):
    background, hanging, done = Background(), Work(), Work()
    background.start("b", hanging)
    background.start("a", done)
    done.gate.release()
    await background.close(0.05)
    assert (hanging.done, done.done) == (0, 1)
    assert not background._jobs
    [message] = caplog.messages
    assert message.endswith("Sessions: 'b'")


async def test_close_waits_for_work_that_ends_in_time_without_a_warning(caplog):
    background, work = Background(), Work(pieces=3)
    background.start("a", work)
    await work.under_way.wait()
    closing = asyncio.create_task(background.close(60))
    await asyncio.sleep(0)
    work.gate.release()
    await closing
    assert work.done == 1
    assert caplog.messages == []
