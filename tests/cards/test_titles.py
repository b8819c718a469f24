"""A title by the summariser, with the first fold."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from mongo_sessions import MongoSessionStore, SummarizeOlder, SummaryRequest
from mongo_sessions.policies.summarize.titler import as_title
from tests.support.scribes import Scribe, tokens, turns


class Titles(Scribe):
    """Answers a request for a title with ``title``, or raises it."""

    def __init__(self, title: Any) -> None:
        super().__init__()
        self.title = title

    async def __call__(self, request: SummaryRequest) -> Any:
        answer = await super().__call__(request)
        if request.kind != "title":
            return answer
        if isinstance(self.title, Exception):
            raise self.title
        return self.title


def store_of(database: Any, scribe: Scribe, **options: Any) -> MongoSessionStore:
    policy = SummarizeOlder(scribe, max_tokens=1_000, **options)
    return MongoSessionStore(database, policy=policy, token_counter=tokens)


async def fill(store: MongoSessionStore) -> Any:
    """Enough turns for several folds."""
    session = store.session("a")
    for first in (1, 41, 81):
        await session.add_items(turns(first, first + 39))
        await session.flush()
    return session


async def test_the_first_fold_is_followed_by_a_request_for_a_title(any_database):
    scribe = Titles(' "The order\tof Ann"\nand more')
    store = store_of(any_database, scribe, title=True)
    session = await fill(store)
    card = await session.card()
    assert card is not None
    assert card.title == "The order of Ann"
    assert scribe.kinds.count("title") == 1
    assert scribe.kinds.count("fold") > 1
    [request] = [request for request in scribe.requests if request.kind == "title"]
    first = scribe.requests[0]
    assert request.transcript.split()[:5] == first.transcript.split()[:5]
    assert request.summary_so_far == ""
    assert store._policy.usage.requests == len(scribe.requests)


@pytest.mark.parametrize("title", [True, False])
async def test_a_title_of_the_application_stays(database, title):
    scribe = Titles("Another one")
    store = store_of(database, scribe, title=title)
    await store.session("a").update_card(title="Mine")
    card = await (await fill(store)).card()
    assert card.title == "Mine"
    assert "title" not in scribe.kinds


async def test_without_being_asked_for_there_is_no_title(database):
    scribe = Titles("A title")
    card = await (await fill(store_of(database, scribe))).card()
    assert card.title is None
    assert "title" not in scribe.kinds


async def test_a_title_given_while_the_summariser_writes_one_stays(database):
    class Slow(Titles):
        async def __call__(self, request: SummaryRequest) -> Any:
            if request.kind == "title":
                await MongoSessionStore(database).session("a").update_card(title="Mine")
            return await super().__call__(request)

    card = await (await fill(store_of(database, Slow("Another one"), title=True))).card()
    assert card.title == "Mine"


@pytest.mark.parametrize("answer", ["", ' "" ', 5, RuntimeError("a secret")])
async def test_a_failed_title_does_not_fail_the_fold(database, answer, caplog):
    caplog.set_level(logging.DEBUG, "mongo_sessions")
    scribe = Titles(answer)
    session = await fill(store_of(database, scribe, title=True))
    card = await session.card()
    assert card.title is None
    assert scribe.kinds.count("fold") == scribe.kinds.count("title")  # it is asked for again
    assert "No title of session 'a'" in caplog.text
    assert "secret" not in caplog.text
    assert await session.summary() is not None


async def test_a_deleted_session_gets_no_title(database):
    class Deleting(Titles):
        async def __call__(self, request: SummaryRequest) -> Any:
            if request.kind == "title":
                await MongoSessionStore(database).delete_session("a")
            return await super().__call__(request)

    store = store_of(database, Deleting("A title"), title=True)
    session = store.session("a")
    await session.add_items(turns(1, 40))
    await session.flush()
    tombstone = await database["session_items_cards"].find_one({"_id": "a"})
    assert "title" not in tombstone
    assert await session.card() is None


def test_a_long_title_is_shortened():
    title = as_title("# " + "word " * 100_000)
    assert len(title) <= 120
    assert title.startswith("word word")
    assert title.endswith("…")
