"""Imports that are stopped, cancelled, doubled or cut off: they go on where they were."""

from __future__ import annotations

import asyncio

import pytest

from mongo_sessions import Imported
from tests.support.faults import failing
from tests.support.transfers import Stopped, contents, export_of, exported


@pytest.mark.parametrize("number", [1, 3])
async def test_an_import_that_was_stopped_goes_on_when_it_is_run_again(store, database, number):
    lines, copies = await export_of(database, 1_800)
    seen: list[Imported] = []

    def stop(done: Imported) -> None:
        seen.append(done)
        if len(seen) == number:
            raise Stopped

    with pytest.raises(Stopped):
        await copies.import_lines(lines, progress=stop)
    assert seen[-1] == Imported(sessions=0, items=500 * number)
    beginning = await contents(copies, "a")
    assert beginning == (await contents(store, "a"))[: 500 * number]
    done = await copies.import_lines(lines)
    assert done == Imported(sessions=1, items=1_800 - 500 * number, skipped=500 * number)
    assert await exported(copies) == lines


async def test_a_cancelled_import_goes_on_when_it_is_run_again(database, sent):
    lines, copies = await export_of(database, 1_800)
    await copies.ensure_indexes()
    begun = sent.expect("insert")
    task = asyncio.ensure_future(copies.import_lines(lines))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert 0 < len(await contents(copies, "a")) < 1_800
    assert (await copies.import_lines(lines)).skipped > 0
    assert await exported(copies) == lines


async def test_two_imports_of_one_export_at_the_same_time(database):
    lines, copies = await export_of(database, 1_100)
    done = await asyncio.gather(*(copies.import_lines(lines) for _ in range(3)))
    assert {one.sessions for one in done} == {1}
    assert await exported(copies) == lines


@pytest.mark.parametrize(
    "how",
    [
        {"closeConnection": True},
        {"errorCode": 112},
        {"writeConcernError": {"code": 91, "errmsg": "shutting down"}},
    ],
)
async def test_a_lost_batch_is_stored_once(database, how):
    lines, copies = await export_of(database, 600)
    await copies.ensure_indexes()
    async with failing(database, "insert", times=3, **how):
        assert (await copies.import_lines(lines)).sessions == 1
    assert await exported(copies) == lines
