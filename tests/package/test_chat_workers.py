"""examples/chat_service in several processes: what they do to one conversation at a time."""

from __future__ import annotations

import asyncio
import re
import signal
import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.conftest import open_database
from tests.support.chat_service import answer, serve, status_of, text_of, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.support.chat_service import Service, User


class Windows(NamedTuple):
    """One user at two processes."""

    first: User
    second: User


@pytest.fixture(scope="module")
def services(replica_set) -> Iterator[tuple[Service, Service]]:
    # So long a lease that a test which needs its end fails.
    with (
        serve(replica_set, driver="motor", lease=600) as first,
        serve(replica_set, driver="pymongo", lease=600) as second,
    ):
        yield first, second


@pytest.fixture
def windows(services) -> Windows:
    name = f"ann-{uuid.uuid4().hex}"
    return Windows(*(service.user(name) for service in services))


@pytest.fixture
async def database(replica_set) -> AsyncIterator[Any]:
    async with open_database("pymongo", replica_set) as database:
        yield database.client["chat_service"]


async def has_question(user: User, chat: str, question: str) -> bool:
    return question in [text for _, text in await user.entries(chat)]


async def test_while_one_process_answers_the_other_says_409_and_then_it_works(windows):
    chat = await windows.first.create()
    slow = asyncio.create_task(windows.first.ask(chat, "wait 2"))
    await until(lambda: has_question(windows.second, chat, "wait 2"))
    assert await status_of(windows.second.ask(chat, "Hello")) == 409
    assert answer(await slow) == "You said: wait 2"
    assert answer(await windows.second.ask(chat, "Hello")) == "You said: Hello"
    texts = [text for _, text in await windows.first.entries(chat)]
    assert texts[0::3] == ["wait 2", "You said: wait 2"]
    assert texts[4:] == ["Hello", "You said: Hello"]


async def test_of_many_questions_through_two_processes_none_is_lost_or_torn(windows):
    chat = await windows.first.create()
    questions = [f"Question-{number}" for number in range(12)]

    async def ask(number: int, question: str) -> int:
        refused = 0
        while (status := await status_of(windows[number % 2].ask(chat, question))) != 200:
            assert status == 409
            refused += 1
            await asyncio.sleep(0.05)
        return refused

    refused = await asyncio.gather(*(ask(*numbered) for numbered in enumerate(questions)))
    assert sum(refused) > 0
    texts = [text for _, text in await windows.second.entries(chat)]
    assert sorted(texts[0::2]) == sorted(questions)
    assert texts[1::2] == [f"You said: {question}" for question in texts[0::2]]


async def test_of_two_edits_of_one_question_one_is_refused(windows):
    chat = await windows.first.create()
    await windows.first.ask(chat, "One")
    await windows.first.ask(chat, "Two")
    edits = [
        status_of(window.ask(chat, f"Edit-{number}", edit_seq=3, expected_last_seq=4))
        for number, window in enumerate(windows)
    ]
    assert sorted(await asyncio.gather(*edits)) == [200, 409]
    texts = [text for _, text in await windows.second.entries(chat)]
    assert texts[:2] == ["One", "You said: One"]
    assert re.fullmatch(r"Edit-(.), You said: Edit-\1", ", ".join(texts[2:]))


async def test_a_conversation_that_is_deleted_during_a_run_stays_deleted(windows, database):
    chat = await windows.first.create()
    await windows.first.ask(chat, "One")
    slow = asyncio.create_task(windows.first.ask(chat, "wait 2"))
    await until(lambda: has_question(windows.second, chat, "wait 2"))
    response = await windows.second.request("DELETE", chat)
    assert response.json() == {"items": 3}
    last = (await slow)[-1]
    assert (last.kind, last.data["status"]) == ("error", 410)
    assert await windows.first.titles() == await windows.second.titles() == []
    assert (await windows.first.request("GET", f"{chat}/messages")).status_code == 404
    query = {"session_id": chat.removeprefix("/chats/"), "item": {"$exists": True}}
    assert await database["session_items"].count_documents(query | {"gone_at": None}) == 0


async def test_a_late_read_does_not_bring_a_deleted_conversation_back(windows, services, database):
    """A request that has found the conversation, and reads it when it is deleted."""
    chat = await windows.first.create()
    await windows.first.request("DELETE", chat)
    owner = windows.first.headers["X-User"]
    card = {"_id": chat.removeprefix("/chats/"), "owner": owner}
    times = {"created_at": datetime(2026, 1, 1), "active_at": datetime(2026, 1, 1)}  # noqa: DTZ001
    await database["session_items_cards"].replace_one({"_id": card["_id"]}, card | times)
    assert await windows.second.titles() == []
    assert (await windows.second.request("GET", f"{chat}/messages")).status_code == 404


async def test_a_window_follows_a_run_of_another_process(windows):
    chat = await windows.first.create()
    async with windows.second.following(chat) as events:
        await windows.first.ask(chat, "One")
        seen = [await anext(events), await anext(events)]
    assert [text_of(event.data["item"]) for event in seen] == ["One", "You said: One"]
    assert [event.id for event in seen] == [1, 2]


async def test_a_client_that_leaves_ends_its_run_and_frees_the_conversation(windows):
    chat = await windows.first.create()
    async with windows.first.asked(chat, "wait 99"):
        await until(lambda: has_question(windows.second, chat, "wait 99"))
        assert await status_of(windows.second.ask(chat, "Hello")) == 409

    async def works() -> bool:
        return await status_of(windows.second.ask(chat, "Hello")) == 200

    await until(works)
    texts = [text for _, text in await windows.first.entries(chat)]
    assert texts == ["wait 99", "Hello", "You said: Hello"]


async def test_a_killed_worker_frees_the_conversation_after_its_lease(
    windows, replica_set, database
):
    lease = timedelta(seconds=3)
    chat = await windows.second.create()
    with serve(replica_set, lease=lease.total_seconds()) as doomed:
        user = doomed.user(windows.second.headers["X-User"])
        slow = asyncio.create_task(user.ask(chat, "wait 99"))
        await until(lambda: has_question(windows.second, chat, "wait 99"))
        assert await status_of(windows.second.ask(chat, "Hello")) == 409
        doomed.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(doomed.process.wait)
        (outcome,) = await asyncio.gather(slow, return_exceptions=True)
        assert isinstance(outcome, Exception)  # the connection has broken
    killed_by = (await database.client.admin.command("hello"))["localTime"]
    query = {"_id": chat.removeprefix("/chats/")}
    document = await database["session_items_cards"].find_one(query)
    assert document["turn"]["until"] <= killed_by + lease

    async def works() -> bool:
        return await status_of(windows.second.ask(chat, "Hello")) == 200

    await until(works)
    texts = [text for _, text in await windows.second.entries(chat)]
    assert texts == ["wait 99", "Hello", "You said: Hello"]
