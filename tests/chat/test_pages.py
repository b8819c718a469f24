"""Pages: the newest first, in one round trip, and nothing between two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mongo_sessions import MongoSession, MongoSessionStore, Page, TokenLimit
from tests.support.clients import both_at_night
from tests.support.faults import interrupted_clear
from tests.support.filling import fill

if TYPE_CHECKING:
    from tests.support.faults import Commands


def user(n: object) -> Any:
    return {"role": "user", "content": str(n)}


async def pages(session: MongoSession, limit: int) -> list[Page]:
    found = [await session.page(limit=limit)]
    while found[-1].has_more:
        found.append(await session.page(found[-1].before_seq, limit))
    return found


def contents(page: Page) -> list[str]:
    return [entry.item["content"] for entry in page.entries]


async def test_pages_cover_the_conversation_in_reading_order(any_database):
    session = MongoSessionStore(any_database, policy=TokenLimit(50)).session("a")
    assert await session.page() == Page([], has_more=False)
    await session.add_items([user(n) for n in range(7)])
    await MongoSessionStore(any_database).session("b").add_items([user("of b")])
    await session.pop_item()
    assert [contents(page) for page in await pages(session, 2)] == [
        ["4", "5"],
        ["2", "3"],
        ["0", "1"],
    ]
    assert [contents(page) for page in await pages(session, 4)] == [
        ["2", "3", "4", "5"],
        ["0", "1"],
    ]
    assert (await pages(session, 6))[0].before_seq is None, "an exact fit has no further page"


async def test_what_is_added_and_removed_meanwhile_shifts_no_page(any_database):
    session = MongoSessionStore(any_database).session("a")
    await session.add_items([user(n) for n in range(6)])
    newest = await session.page(limit=2)
    await session.add_items([user("new")] * 5)
    assert contents(await session.page(newest.before_seq, 2)) == ["2", "3"]
    for _ in range(8):
        await session.pop_item()  # down to an item that the first page has shown
    assert contents(await session.page(newest.before_seq, 2)) == ["1", "2"]


async def test_no_page_shows_what_a_clear_has_removed(database, store):
    """The content below the barrier is still there, also below the page that was asked for."""
    session = store.session("a")
    await session.add_items([user(n) for n in range(6)])
    newest = await session.page(limit=2)
    await interrupted_clear(database, session)
    await session.add_items([user("new")])
    assert await database["session_items"].count_documents({"item.content": "1"}) == 1
    assert await session.page(newest.before_seq) == Page([], has_more=False)
    assert contents(await session.page()) == ["new"]
    assert not (await session.page()).has_more
    await store._connections.current().cleaning.finish()
    assert await database["session_items"].count_documents({"item": {"$exists": True}}) == 1


async def test_a_page_is_one_round_trip_and_looks_at_no_more_than_itself(
    database, store, sent: Commands
):
    await fill(database, [user(n) for n in range(5_000)], lambda item: 1)
    session = store.session("a")
    for _ in range(30):
        await session.pop_item()
    await session.page(limit=1)
    sent.clear()
    newest = await session.page()
    older = await session.page(2_000)
    assert contents(newest)[-1] == "4969"
    assert contents(older)[-1] == "1998"
    assert sent.names == ["find", "aggregate"]
    find, aggregate = (dict(event.command) for event in sent.started_events)
    assert {find["readConcern"]["level"], aggregate["readConcern"]["level"]} == {"majority"}
    plan = await database.command(
        {"explain": {key: find[key] for key in ("find", "filter", "sort", "limit")}}
    )
    assert plan["executionStats"]["totalDocsExamined"] <= 51 + 30
    command = {key: aggregate[key] for key in ("aggregate", "pipeline", "cursor")}
    plan = await database.command({"explain": command, "verbosity": "executionStats"})
    assert examined(plan) <= 51


def examined(plan: Any) -> int:
    """The most documents that a stage of a plan has examined."""
    inner = plan.values() if isinstance(plan, dict) else plan if isinstance(plan, list) else ()
    own = plan.get("totalDocsExamined", 0) if isinstance(plan, dict) else 0
    return max([own, *map(examined, inner)])


@both_at_night
async def test_items_as_large_as_documents_can_be_come_whole(store):
    session = store.session("a")
    for _ in range(3):
        await session.add_items([user("x" * 9_000_000)])
    await session.add_items([user("end")])
    page = await session.page((await session.page(limit=1)).before_seq)
    assert [len(text) for text in contents(page)] == [9_000_000] * 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"before_seq": 0}, "before_seq must be at least 1, got 0"),
        ({"before_seq": 2**63}, "before_seq must be at most"),
        ({"limit": 0}, "limit must be at least 1, got 0"),
        ({"limit": 1_001}, "limit must be at most 1000, got 1001"),
    ],
)
async def test_arguments_are_checked(store, arguments, message):
    with pytest.raises(ValueError, match=message):
        await store.session("a").page(**arguments)
