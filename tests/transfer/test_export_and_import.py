"""Sessions out and in again: the same bytes, and sessions that go on as before."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mongo_sessions import Imported, MongoSessionStore, SummarizeOlder, TextIndex
from tests.log.test_exactness import exactly, items
from tests.support.clients import both_at_night
from tests.support.examples import examples
from tests.support.faults import interrupted_clear
from tests.support.filling import fill
from tests.support.scribes import Scribe, tokens, turns
from tests.support.transfers import ANSWER, USER, contents, emptied, exported

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
from mongo_sessions import MongoSessionStore
from tests.support.clients import open_client

def memory():
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit

async def main(driver, uri, name):
    async with open_client(driver, uri) as client:
        store = MongoSessionStore(client[name], token_counter=None)
        copies = MongoSessionStore(client[name], collection="copies", token_counter=None)
        await copies.import_lines(store.export("few"))
        before = memory()
        done = await copies.import_lines(store.export("many"))
        print(done.items, memory() - before)

asyncio.run(main(*sys.argv[1:]))
"""


@both_at_night
async def test_many_items_take_little_memory(driver, database, replica_set):
    """They have 25 MB as lines, and several times as much as objects."""
    item = {**USER, "content": "word " * 100}
    await fill(database, [item] * 5_000, lambda _: 1, "few")
    await fill(database, [item] * 40_000, lambda _: 1, "many")
    command = [sys.executable, "-c", COPIER, driver, replica_set, database.name]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    number, grown = map(int, output.split())
    assert number == 40_000
    assert grown < 10
