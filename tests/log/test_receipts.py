"""Finding receipts: the batch of an item, the newest one, and what was removed."""

from __future__ import annotations

import pytest
from agents import RunContextWrapper

from mongo_sessions import MongoSessionStore
from mongo_sessions.log.receipts import Receipt
from tests.support.faults import interrupted_clear
from tests.support.messages import user
from tests.support.reporting import usage
from tests.support.scribes import tokens

CALL = {"type": "function_call", "call_id": "1", "name": "weather", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "1", "output": "sunny"}
ANSWER = {"role": "assistant", "content": "It is sunny"}


async def add_run(session, *batches) -> None:
    """Add batches as a run does: each response reports ten tokens more than the one before."""
    wrapper = RunContextWrapper(None)
    await session.get_items(wrapper=wrapper)
    for number, batch in enumerate(batches):
        if batch[0] != user(1):
            wrapper.usage.add(usage(100 + 10 * number))
        await session.add_items(list(batch), wrapper=wrapper)


@pytest.fixture
def store(database):
    return MongoSessionStore(database, token_counter=tokens)


@pytest.fixture
def session(store):
    return store.session("a")


async def receipts_of(session):
    return (await session._log()).log.receipts


async def test_the_receipt_of_each_item_is_that_of_its_batch(session):
    await add_run(session, [user(1)], [CALL, OUTPUT], [ANSWER])
    await session.add_items([user(2), ANSWER])  # outside a run
    receipts = await receipts_of(session)
    found = [await receipts.receipt_at("a", seq) for seq in range(8)]
    one = Receipt(2, 2, seen=0, input=110, cached=7, output=11, counted=1, overhead=109)
    other = one._replace(seq=4, items=1, input=120, counted=3)
    assert found == [None, None, one, one, other, None, None, None]
    assert await receipts.receipt_at("b", 2) is None


async def test_the_newest_receipt_and_the_one_before(session):
    receipts = await receipts_of(session)
    assert await receipts.latest_receipt("a") is None
    await add_run(session, [user(1)], [CALL, OUTPUT], [ANSWER])
    await session.add_items([user(2)])
    latest = await receipts.latest_receipt("a")
    assert latest.seq == 4
    assert (await receipts.latest_receipt("a", before_seq=latest.seq)).seq == 2
    assert await receipts.latest_receipt("a", before_seq=2) is None


async def test_gaps_do_not_give_an_item_a_foreign_receipt(session):
    await add_run(session, [user(1)], [CALL, OUTPUT])
    await session.pop_item()
    await session.pop_item()
    await session.add_items([ANSWER])
    receipts = await receipts_of(session)
    assert [await receipts.receipt_at("a", seq) for seq in (2, 3, 4)] == [None, None, None]


@pytest.mark.parametrize("interrupted", [False, True])
async def test_a_cleared_session_has_no_receipts(database, session, interrupted):
    await add_run(session, [user(1)], [CALL, OUTPUT], [ANSWER])
    if interrupted:
        await interrupted_clear(database, session)
    else:
        await session.clear_session()
    receipts = await receipts_of(session)
    assert await receipts.latest_receipt("a") is None
    await session.clear_session()
    assert await receipts.receipt_at("a", 2) is None


async def test_a_search_examines_a_bounded_number_of_documents(database, session, sent):
    await add_run(session, [user(1)], [ANSWER])
    await session.add_items([user(n) for n in range(400)])
    receipts = await receipts_of(session)
    sent.clear()
    assert await receipts.latest_receipt("a") is None
    assert await receipts.receipt_at("a", 300) is None
    assert await receipts.latest_receipt("a", before_seq=200) is not None
    assert sent.names == ["find"] * 3
    for event in sent.started_events:
        assert event.command["limit"] == 256
        assert "item" not in event.command["projection"]


async def test_a_field_of_a_later_version_is_ignored(database, session):
    await add_run(session, [user(1)], [ANSWER])
    items = database["session_items"]
    await items.update_one({"seq": 2}, {"$set": {"receipt.later": "x"}})
    assert (await (await receipts_of(session)).receipt_at("a", 2)).input == 110
