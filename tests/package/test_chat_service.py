"""examples/chat_service: everything that it offers, over HTTP, by two worker processes."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import open_database
from tests.support.chat_service import FOLDER, answer, serve, status_of, text_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.support.chat_service import Service, User


@pytest.fixture(scope="module", params=["motor", "pymongo"])
def service(request, replica_set) -> Iterator[Service]:
    # So long a lease that a test which needs its end fails.
    with serve(replica_set, driver=request.param, workers=2, lease=600) as service:
        yield service


@pytest.fixture
def ann(service: Service) -> User:
    return service.user(f"ann-{uuid.uuid4().hex}")


@pytest.fixture
async def database(replica_set) -> AsyncIterator[Any]:
    async with open_database("pymongo", replica_set) as database:
        yield database.client["chat_service"]


def test_every_file_is_short():
    lines = {path.name: path.read_text("utf-8").count("\n") for path in FOLDER.glob("*.*")}
    assert sorted(lines) == ["access.py", "app.py", "assistant.py", "page.html"]
    assert max(lines[name] for name in lines if name.endswith(".py")) < 240
    assert lines["page.html"] < 330


async def test_the_page_puts_no_html_together_and_loads_nothing_from_elsewhere(ann):
    response = await ann.request("GET", "/")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.text
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|write\(|https?:|//\w", response.text)


async def test_an_answer_is_streamed_and_stored(ann):
    chat = await ann.create()
    events = await ann.ask(chat, "Hello there")
    assert [event.data for event in events] == ["You", " said:", " Hello", " there", {}]
    assert await ann.entries(chat) == [(1, "Hello there"), (2, "You said: Hello there")]
    events = await ann.ask(chat, "wait 0.1 please")
    assert answer(events) == "You said: wait 0.1 please"
    texts = [text for _, text in await ann.entries(chat)]
    assert texts[2:5] == ["wait 0.1 please", "wait", "0.1 seconds have passed."]


async def test_the_history_is_read_page_by_page_the_newest_first(ann):
    chat = await ann.create()
    for number in range(3):
        await ann.ask(chat, f"{number}")
    newest = await ann.get(f"{chat}/messages?limit=4")
    older = await ann.get(f"{chat}/messages?limit=4&before_seq={newest['before_seq']}")
    assert [entry["seq"] for entry in newest["entries"]] == [3, 4, 5, 6]
    assert [entry["seq"] for entry in older["entries"]] == [1, 2]
    assert older["before_seq"] is None


async def test_the_list_shows_titles_the_newest_conversation_first(ann):
    chats = [await ann.create() for _ in range(3)]
    assert await ann.titles() == ["New conversation"] * 3
    for number, chat in enumerate(chats):
        await ann.ask(chat, f"Question {number}" + "-and-more" * 20)
    titles = await ann.titles()
    assert sorted(title[:10] for title in titles) == ["Question 0", "Question 1", "Question 2"]
    assert {len(title) for title in titles} == {60}
    response = await ann.request("PATCH", chats[0], {"title": "Orders"})
    assert response.json()["title"] == "Orders"
    await ann.ask(chats[0], "More")
    assert "Orders" in await ann.titles()
    for _ in range(500):  # a card is written a second behind the answer, and moves up then
        page = await ann.get("/chats?limit=2")
        rest = await ann.get(f"/chats?limit=2&after={page['after']}")
        listed = [f"/chats/{card['id']}" for card in page["chats"] + rest["chats"]]
        if len(listed) == len(chats):
            break
    assert sorted(listed) == sorted(chats)
    assert rest["after"] is None
    assert (await ann.request("GET", "/chats?after=x")).status_code == 422


async def test_the_last_question_is_edited(ann):
    chat = await ann.create()
    await ann.ask(chat, "One")
    await ann.ask(chat, "Tow")
    events = await ann.ask(chat, "Two", edit_seq=3, expected_last_seq=4)
    assert answer(events) == "You said: Two"
    entries = await ann.entries(chat)
    assert [text for _, text in entries] == ["One", "You said: One", "Two", "You said: Two"]
    # Another window, which has not seen it.
    late = status_of(ann.ask(chat, "Three", edit_seq=3, expected_last_seq=4))
    assert await late == 409
    assert await ann.entries(chat) == entries
    first = entries[0][0]
    await ann.ask(chat, "Zero", edit_seq=first, expected_last_seq=entries[-1][0])
    assert [text for _, text in await ann.entries(chat)] == ["Zero", "You said: Zero"]


async def test_a_fork_goes_on_by_itself(ann):
    chat = await ann.create()
    await ann.ask(chat, "One")
    await ann.ask(chat, "Two")
    response = await ann.request("POST", f"{chat}/fork", {"upto_seq": 2})
    fork = f"/chats/{response.json()['id']}"
    await ann.ask(fork, "Three")
    texts = [text for _, text in await ann.entries(fork)]
    assert texts == ["One", "You said: One", "Three", "You said: Three"]
    assert len(await ann.entries(chat)) == 4
    assert await ann.titles() == ["One", "One"]
    response = await ann.request("POST", f"{chat}/fork", {"upto_seq": 99})
    assert response.status_code == 404


async def test_a_deleted_conversation_is_gone(ann):
    chat = await ann.create()
    await ann.ask(chat, "One")
    assert (await ann.request("DELETE", chat)).json() == {"items": 2}
    assert await ann.titles() == []
    for method, path, body in USES:
        response = await ann.request(method, chat + path, body)
        assert response.status_code == 404, path
    assert (await ann.request("DELETE", chat)).json() == {"items": 0}
    assert await ann.titles() == []


async def test_the_model_sees_a_part_and_the_service_says_which(ann):
    chat = await ann.create()
    for _ in range(10):
        await ann.ask(chat, "the-order-is-late-" * 30)
    explained = await ann.get(f"{chat}/explain")
    stored = [explained[name]["tokens"] for name in ("shown", "covered", "left_out")]
    assert explained["budget"] == 2_000
    assert 0 < explained["tokens"] <= 2_000 < sum(stored)
    assert explained["text"].startswith("Session ")
    entries = await ann.entries(chat)
    then = await ann.get(f"{chat}/explain?at_seq={entries[1][0]}")
    assert then["shown"]["items"] == 1
    response = await ann.request("GET", f"{chat}/explain?at_seq={entries[0][0]}")
    assert response.status_code == 404


async def test_a_window_follows_what_another_one_does(ann):
    chat = await ann.create()
    await ann.ask(chat, "One")
    async with ann.following(chat, after_seq=1) as events:
        first = await anext(events)
        assert (first.id, text_of(first.data["item"])) == (2, "You said: One")
        await ann.ask(chat, "Two")
        new = [await anext(events), await anext(events)]
    assert [(event.id, text_of(event.data["item"])) for event in new] == [
        (3, "Two"),
        (4, "You said: Two"),
    ]


USES = [
    ("GET", "/messages", None),
    ("POST", "/messages", {"text": "Hello"}),
    ("POST", "/messages", {"text": "Hello", "edit_seq": 1, "expected_last_seq": 2}),
    ("GET", "/events", None),
    ("GET", "/explain", None),
    ("PATCH", "", {"title": "Mine"}),
    ("POST", "/fork", {}),
]


async def test_a_conversation_of_another_owner_is_refused(ann, service, database):
    chat = await ann.create()
    await ann.ask(chat, "One")
    bob = service.user(f"bob-{uuid.uuid4().hex}")
    before = await stored(database)
    for method, path, body in [*USES, ("DELETE", "", None)]:
        response = await bob.request(method, chat + path, body)
        assert response.status_code == 403, path
        assert "One" not in response.text
    assert await bob.titles() == []
    assert await stored(database) == before
    bob.headers = {}
    assert (await bob.request("GET", "/chats")).status_code == 422


async def stored(database) -> list[dict[str, Any]]:
    """All documents, without what the service writes a second later."""
    return [
        {name: value for name, value in document.items() if name != "active_at"}
        for name in ("session_items", "session_items_cards")
        for document in await database[name].find().sort("_id", 1).to_list()
    ]


async def test_it_is_ready(ann):
    response = await ann.request("GET", "/ready")
    assert (response.status_code, response.text) == (200, "ready")
