"""Folds in progress while a session is flushed, a store is closed or an event loop ends."""

from __future__ import annotations

import asyncio

import pytest

from mongo_sessions import MongoSession, MongoSessionStore
from tests.conftest import open_database
from tests.support.faults import Commands, failing
from tests.support.folding import anchors, is_summary, policy_of, raw, store_of
from tests.support.scribes import HeldScribe, Scribe, tokens, turns, user


async def test_flush_waits_for_the_summary_of_its_session_alone(database):
    scribe = HeldScribe()
    store = store_of(database, scribe)
    await store.session("a").add_items(turns(1, 6))
    await scribe.asked.wait()
    await store.session("b").flush()
    flushing = asyncio.create_task(store.session("a").flush())
    done, _ = await asyncio.wait({flushing}, timeout=0.05)
    assert not done
    scribe.may_go_on.set()
    await flushing
    assert await anchors(database) == [6]


async def test_a_flush_that_is_cancelled_does_not_cancel_the_summary(database):
    scribe = HeldScribe()
    session = store_of(database, scribe).session("a")
    await session.add_items(turns(1, 6))
    await scribe.asked.wait()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(session.flush(), 0.01)
    scribe.may_go_on.set()
    await session.flush()
    assert await anchors(database) == [6]


async def test_closing_the_store_waits_for_summaries(driver, replica_set, database):
    scribe = HeldScribe()
    store = store_of(database, scribe)
    await store.session("a").add_items(turns(1, 6))
    await scribe.asked.wait()
    closing = asyncio.create_task(store.close())
    done, _ = await asyncio.wait({closing}, timeout=0.05)
    assert not done
    scribe.may_go_on.set()
    await closing
    assert await anchors(database) == [6]


@pytest.mark.parametrize("background", [True, False])
def test_the_end_of_the_event_loop_releases_the_claim(replica_set, background, recwarn, caplog):
    """A script that neither flushes nor closes: its claim does not have to expire."""
    collection = f"script_{background}"

    def store_with(scribe, **options) -> MongoSessionStore:
        policy = policy_of(scribe, **options)
        return MongoSessionStore.from_uri(
            replica_set, "test_own", collection=collection, token_counter=tokens, policy=policy
        )

    async def script():
        scribe = HeldScribe()
        stores.append(store_with(scribe, background=background))
        session = stores[0].session("a")
        await session.add_items(turns(1, 6))
        reading = asyncio.create_task(session.get_items())
        await scribe.asked.wait()
        return reading

    async def the_next():
        async with store_with(Scribe()) as store:
            session = store.session("a")
            await session.add_items([user(7)])
            await session.flush()
            view = await session.get_items()
            await store.delete_session("a")
            return view

    stores = []
    asyncio.run(script())
    assert is_summary(asyncio.run(the_next())[0])
    asyncio.run(stores[0].close())  # or its client would complain to whatever test comes next
    assert list(recwarn) == []
    assert caplog.records == []


async def test_a_stored_append_does_not_fail_when_the_store_is_closed(driver, replica_set):
    """Its caller would write the batch again."""
    sent = Commands()
    async with open_database(driver, replica_set, event_listeners=[sent]) as database:
        session = store_of(database, Scribe()).session("a")
        await session.add_items(turns(1, 1))
        async with failing(database, "insert", blockConnection=True, blockTimeMS=100):
            seen = sent.expect("insert")
            adding = asyncio.create_task(session.add_items([user(2)]))
            await seen.wait()
            await session._connections.close(10)
            await adding
        assert len(await raw(database)) == 3


async def test_close_waits_for_a_summariser_at_most_its_timeout(database, caplog):
    held = HeldScribe()
    store = store_of(database, held)
    session = store.session("a")
    await session.add_items(turns(1, 9))
    await held.asked.wait()
    await store.close(timeout=0.05)
    [warning] = caplog.messages
    assert warning.startswith("Background work was not done in 0.05 seconds, and is cancelled.")
    assert warning.endswith("Sessions: 'a'")
    assert not any("id" in document.get("claim", {}) for document in await raw(database))
    other = store_of(database, Scribe())
    assert await other.fold_pending(other._policy) > 0, "the claim was released"


async def test_a_session_with_its_own_client_closes_within_the_timeout(replica_set, caplog):
    held = HeldScribe()
    options = {"token_counter": tokens, "collection": "closing"}
    session = MongoSession.from_uri("a", uri=replica_set, policy=policy_of(held), **options)
    await session.clear_session()
    await session.add_items(turns(1, 9))
    await held.asked.wait()
    await session.close(timeout=0.05)
    assert "Sessions: 'a'" in caplog.text


async def test_a_client_closed_before_the_store_is_named_in_the_log(driver, replica_set, caplog):
    held = HeldScribe()
    async with open_database(driver, replica_set) as database:
        session = store_of(database, held).session("a")
        await session.add_items(turns(1, 9))
        await held.asked.wait()
    held.may_go_on.set()
    await session.flush()
    assert caplog.messages[-1] == (
        "Background work on session 'a' failed: its client is closed. Call `await store.close()` "
        "before you close the client"
    )
