"""Sessions out and in again: the same bytes, and sessions that go on as before."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mongo_sessions import (
    Imported,
    MongoSessionStore,
    SessionExists,
    SummarizeOlder,
    TextIndex,
)
from tests.log.test_exactness import exactly, items
from tests.support.examples import examples
from tests.support.faults import failing, interrupted_clear
from tests.support.filling import fill
from tests.support.scribes import Scribe, tokens, turns

if TYPE_CHECKING:
    from mongo_sessions.transfer.transfers import Transfers

USER = {"role": "user", "content": "Hello"}
ANSWER = {"role": "assistant", "content": "Hello Ann."}
COLLECTIONS = ("session_items", "session_items_cards")


async def exported(store: Transfers, *args: Any, **kwargs: Any) -> list[str]:
    return [line async for line in store.export(*args, **kwargs)]


async def emptied(database: Any) -> None:
    """Remove all sessions, also what they leave behind."""
    for collection in COLLECTIONS:
        await database[collection].delete_many({})


async def contents(store: MongoSessionStore, session_id: str) -> list[tuple]:
    return [(entry.seq, exactly(entry.item)) async for entry in store.session(session_id).entries()]


steps = st.lists(
    st.one_of(
        st.lists(items, min_size=1, max_size=3),
        st.sampled_from(["pop", "clear", "pin"]),
    ),
    min_size=1,
    max_size=8,
)


@given(steps, st.booleans())
@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_an_export_of_an_import_has_the_same_bytes(database, sessions, again):
    """Through pops and clears, which leave gaps; the session goes on with the right numbers."""
    await emptied(database)
    store = MongoSessionStore(database)
    session = store.session("a")
    log = await store._connections.current().log()
    for step in sessions:
        entries = [entry async for entry in session.entries()]
        if step == "pop":
            await session.pop_item()
        elif step == "clear":
            await session.clear_session()
        elif step == "pin":
            for entry in entries[-1:]:
                await log.pins.pin("a", entry.seq)
        else:
            await session.add_items(step)
    lines = await exported(store)
    number = len([line for line in lines if line.startswith('{"seq"')])
    whole = len([line for line in lines if line.startswith('{"end"')])
    before, listed = await contents(store, "a"), await store.list_sessions()
    await emptied(database)
    done = await store.import_lines(lines)
    assert done == Imported(sessions=whole, items=number, skipped=0)
    if again:
        done = await store.import_lines(lines)
        assert done == Imported(sessions=whole, items=0, skipped=number)
    assert await exported(store) == lines
    assert await contents(store, "a") == before
    assert await store.list_sessions() == listed
    await store.session("a").add_items([USER])
    after = await contents(store, "a")
    assert after[:-1] == before
    assert exactly(after[-1][1]) == exactly(exactly(USER))
    if listed:
        (now,) = await store.list_sessions()
        assert now.items == listed[0].items + 1


async def test_summaries_pins_and_cards_come_along(any_database):
    store = MongoSessionStore(any_database, token_counter=tokens)
    policy = SummarizeOlder(Scribe(), max_tokens=3_000, fold_tokens=700)
    session = store.session("a", policy=policy)
    await session.add_items(turns(1, 80))
    await session.pin(2)
    await session.flush()
    await store.fold_pending(policy)
    now = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
    await session.flush()
    await any_database["session_items_cards"].delete_many({})
    await any_database["session_items_cards"].insert_many(
        [
            {
                "_id": "a",
                "owner": "ann",
                "title": "Weather",
                "metadata": {"n": 1, "x": 1.0},
                "created_at": now,
                "active_at": now,
            },
            {"_id": "b", "owner": "bob", "created_at": now, "active_at": now},
            {"_id": "c", "turn": {"id": 1}},  # a lease alone
        ]
    )
    view = await session.get_items()
    lines = await exported(store)
    assert [line for line in lines if not line.startswith('{"seq"')] == [
        '{"format":"mongo-sessions","version":1}',
        (
            '{"session":"a","card":{"owner":"ann","title":"Weather","metadata":{"n":1,"x":1.0},'
            '"created_at":"2026-01-31T12:00:00.000Z","active_at":"2026-01-31T12:00:00.000Z"}}'
        ),
        '{"end":"a","entries":160}',
        (
            '{"session":"b","card":{"owner":"bob","created_at":"2026-01-31T12:00:00.000Z",'
            '"active_at":"2026-01-31T12:00:00.000Z"}}'
        ),
        '{"end":"b","entries":0}',
    ]
    assert sum('"summary":' in line for line in lines) >= 2
    assert not any('"claim"' in line for line in lines)
    await emptied(any_database)
    assert await store.import_lines(lines) == Imported(sessions=2, items=160)
    assert await exported(store) == lines
    assert await session.get_items() == view
    assert [pin.seq for pin in await session.pinned()] == [2]
    assert await exported(store, owner="bob") == [lines[0], *lines[-2:]]
    assert await exported(store, session_ids=["b", "z"]) == [lines[0], *lines[-2:]]
    assert await exported(store, "b") == [lines[0], *lines[-2:]]


async def test_sessions_are_in_the_order_of_their_ids_and_may_be_read_as_bytes(any_database):
    store = MongoSessionStore(any_database)
    for session_id in ("b", "ä", "a", "a/1"):
        await store.session(session_id).add_items([USER, ANSWER])
    lines = await exported(store)
    ids = [json.loads(line)["session"] for line in lines if line.startswith('{"session"')]
    assert ids == ["a", "a/1", "b", "ä"]
    copies = MongoSessionStore(any_database, collection="copies")

    async def as_bytes():
        for line in lines:
            yield line.encode() + b"\n"

    assert await copies.import_lines(as_bytes()) == Imported(sessions=4, items=8)
    assert await exported(copies) == lines
    # Exports one behind the other.
    assert (await copies.import_lines(lines + lines)).skipped == 16


async def test_a_place_before_a_gap_is_not_given_to_a_session_that_read_the_beginning(database):
    store = MongoSessionStore(database)
    await store.session("a").add_items([USER])
    await store.session("a").clear_session()
    await store.session("a").add_items([USER])
    await store.session("a").pop_item()
    await store.session("a").add_items([ANSWER])
    lines = await exported(store)
    copies = MongoSessionStore(database, collection="copies")
    stale = copies.session("a")
    assert await stale.get_items() == []
    await copies.import_lines(lines)
    await stale.add_items([USER])
    assert await copies.session("a").get_items() == [ANSWER, USER]


async def test_an_interrupted_clear_is_exported_as_cleared(database):
    store = MongoSessionStore(database)
    session = store.session("a")
    await session.add_items([USER] * 5)
    await interrupted_clear(database, session)
    assert (await exported(store))[-1] == '{"end":"a","entries":0}'
    await session.add_items([ANSWER])
    assert len(await exported(store)) == 4
    await store.close()


@pytest.mark.parametrize("is_interrupted", [False, True])
async def test_a_session_that_is_cleared_meanwhile_is_exported_as_a_beginning_of_it(
    store, database, is_interrupted
):
    await fill(database, [USER] * 1_500, lambda _: 1)
    lines = store.export()
    read = [await anext(lines) for _ in range(100)]
    session = store.session("a")
    if is_interrupted:
        await interrupted_clear(database, session)
    else:
        await session.clear_session()
    await session.add_items([ANSWER])
    read += [line async for line in lines]
    assert read[-1] == '{"end":"a","entries":500}'
    assert ANSWER["content"] not in "".join(read)
    copies = MongoSessionStore(database, collection="copies")
    await copies.import_lines(read)
    assert await copies.session("a").get_items() == [USER] * 500


async def test_what_is_added_meanwhile_is_not_exported(store, database):
    await fill(database, [USER] * 700, lambda _: 1)
    lines = store.export()
    read = [await anext(lines) for _ in range(3)]
    await store.session("a").add_items([ANSWER])
    read += [line async for line in lines]
    assert read[-1] == '{"end":"a","entries":700}'


class Stopped(Exception):
    """By a test."""


@pytest.mark.parametrize("number", [1, 3])
async def test_an_import_that_was_stopped_goes_on_when_it_is_run_again(store, database, number):
    await fill(database, [{**USER, "n": n} for n in range(1_800)], lambda _: 1)
    lines = await exported(store)
    copies = MongoSessionStore(database, collection="copies")
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


async def test_a_cancelled_import_goes_on_when_it_is_run_again(store, database, sent):
    await fill(database, [{**USER, "n": n} for n in range(1_800)], lambda _: 1)
    lines = await exported(store)
    copies = MongoSessionStore(database, collection="copies")
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


async def test_two_imports_of_one_export_at_the_same_time(store, database):
    await fill(database, [{**USER, "n": n} for n in range(1_100)], lambda _: 1)
    lines = await exported(store)
    copies = MongoSessionStore(database, collection="copies")
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
async def test_a_lost_batch_is_stored_once(store, database, how):
    await fill(database, [{**USER, "n": n} for n in range(600)], lambda _: 1)
    lines = await exported(store)
    copies = MongoSessionStore(database, collection="copies")
    await copies.ensure_indexes()
    async with failing(database, "insert", times=3, **how):
        assert (await copies.import_lines(lines)).sessions == 1
    assert await exported(copies) == lines


async def test_a_session_with_another_content_is_refused_by_name(any_database):
    store = MongoSessionStore(any_database)
    await store.session("a").add_items([USER, ANSWER])
    lines = await exported(store)
    for other in ([{**USER, "x": 1}, ANSWER], [{"role": "user", "content": "Bye"}], [ANSWER] * 3):
        await emptied(any_database)
        await store.session("a").add_items(other)
        with pytest.raises(SessionExists, match="'a'"):
            await store.import_lines(lines)
        assert await store.session("a").get_items() == other
    await emptied(any_database)
    await store.import_lines(lines)
    await store.session("a").pop_item()
    with pytest.raises(SessionExists, match="differs at seq 2"):
        await store.import_lines(lines)


async def test_a_number_of_another_type_is_another_content(store, database):
    await store.session("a").add_items([{"n": 1, "m": 2}])
    lines = await exported(store)
    for item in ({"n": 1.0, "m": 2}, {"n": True, "m": 2}, {"m": 2, "n": 1}):
        await database["session_items"].update_one({}, {"$set": {"item": item}})
        with pytest.raises(SessionExists):
            await store.import_lines(lines)


async def test_a_session_that_goes_on_after_its_import_is_not_changed_by_another_one(store):
    await store.session("a").add_items([USER, ANSWER])
    lines = await exported(store)
    await store.session("a").add_items([USER])
    assert await store.import_lines(lines) == Imported(sessions=1, items=0, skipped=2)
    assert len(await store.session("a").get_items()) == 3


async def test_items_between_those_of_the_export_are_noticed(store, database):
    """An application that uses a session during its import may write into a gap of it."""
    session = store.session("a")
    await session.add_items([{**USER, "n": n} for n in range(500)])
    await session.add_items([USER] * 4)
    for _ in range(4):
        await session.pop_item()
    await session.add_items([ANSWER] * 2)
    lines = await exported(store)
    copies = MongoSessionStore(database, collection="copies")

    def stop(_: Imported) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        await copies.import_lines(lines, progress=stop)
    await copies.session("a").add_items([USER])
    await copies.session("a").pop_item()
    await copies.session("a").add_items([USER])  # at 502; the import has nothing from 501 to 504
    with pytest.raises(SessionExists, match="differs at seq 502"):
        await copies.import_lines(lines)


async def with_a_change(lines, change):
    """The lines, and a change of what is stored after the first 700."""
    for index, line in enumerate(lines):
        if index == 700:
            await change()
        yield line


async def test_a_clear_during_an_import_is_noticed(store, database):
    await fill(database, [{**USER, "n": n} for n in range(1_100)], lambda _: 1)
    lines = await exported(store)
    copies = MongoSessionStore(database, collection="copies")

    clearing = with_a_change(lines, copies.session("a").clear_session)
    with pytest.raises(SessionExists, match="'a' was"):
        await copies.import_lines(clearing)


async def test_items_that_retention_deletes_meanwhile_are_no_error(store, database):
    await fill(database, [{**USER, "n": n} for n in range(1_100)], lambda _: 1)
    lines = await exported(store)
    copies = MongoSessionStore(database, collection="copies")

    async def expire():  # as the TTL index does
        await database["copies"].delete_many({"seq": {"$lte": 100}})

    done = await copies.import_lines(with_a_change(lines, expire))
    assert done == Imported(sessions=1, items=1_100)
    assert len(await contents(copies, "a")) == 1_000


async def test_a_deleted_session_is_imported_when_its_places_are_free(store, database):
    await store.session("a").add_items([USER, ANSWER])
    lines = await exported(store)
    await store.delete_session("a")
    with pytest.raises(SessionExists, match="about an hour later"):
        await store.import_lines(lines)
    assert await store.session("a").get_items() == []
    await database["session_items"].delete_many({"gone_at": {"$exists": True}})  # as the TTL index
    await store.import_lines(lines)
    assert await exported(store) == lines


async def test_a_card_of_another_owner_is_not_overwritten(store, database):
    now = datetime(2026, 1, 31, tzinfo=timezone.utc)
    card = {"_id": "a", "owner": "ann", "created_at": now, "active_at": now}
    await database["session_items_cards"].insert_one(card)
    lines = await exported(store)
    await database["session_items_cards"].update_one({}, {"$set": {"owner": "bob", "title": "x"}})
    with pytest.raises(SessionExists, match=r"'a'.*owner"):
        await store.import_lines(lines)
    await database["session_items_cards"].update_one({}, {"$set": {"owner": "ann"}})
    await store.import_lines(lines)
    assert (await database["session_items_cards"].find_one({}))["title"] == "x"
    tombstone = {"_id": "a", "deleted_seq": 1, "deleted_at": now}
    await database["session_items_cards"].replace_one({"_id": "a"}, tombstone)
    await store.import_lines(lines)
    assert await database["session_items_cards"].find_one({}) == {
        "_id": "a",
        "deleted_seq": 1,
        "owner": "ann",
        "created_at": now.replace(tzinfo=None),
        "active_at": now.replace(tzinfo=None),
    }


async def test_searches_find_what_was_imported(database):
    store = MongoSessionStore(database, search=TextIndex())
    await store.session("a").add_items([{"role": "user", "content": "The ferry to Cacilhas"}])
    lines = await exported(store)
    copies = MongoSessionStore(database, collection="copies", search=TextIndex())
    await copies.import_lines(lines)
    assert [hit.seq for hit in (await copies.session("a").search("ferry")).hits] == [1]


# Prints how much the largest memory of its process grows, in MB, after a first import of 5,000.
COPIER = """
import asyncio, resource, sys
from pymongo import AsyncMongoClient
from mongo_sessions import MongoSessionStore

def memory():
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit

async def main(uri, name):
    async with AsyncMongoClient(uri) as client:
        store = MongoSessionStore(client[name], token_counter=None)
        copies = MongoSessionStore(client[name], collection="copies", token_counter=None)
        await copies.import_lines(store.export("few"))
        before = memory()
        done = await copies.import_lines(store.export("many"))
        print(done.items, memory() - before)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("driver", ["pymongo"])
async def test_a_hundred_thousand_items_take_little_memory(driver, database, replica_set):
    """They have 63 MB as lines, and several times as much as objects."""
    item = {**USER, "content": "word " * 100}
    await fill(database, [item] * 5_000, lambda _: 1, "few")
    await fill(database, [item] * 100_000, lambda _: 1, "many")
    command = [sys.executable, "-c", COPIER, replica_set, database.name]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    number, grown = map(int, output.split())
    assert number == 100_000
    assert grown < 25
