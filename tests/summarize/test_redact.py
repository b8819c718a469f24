"""What an entry said is gone: from its item, and from all that was derived from it."""

from __future__ import annotations

from typing import Any

import bson
import pytest

from mongo_sessions import InvalidItem, MongoSessionStore, NoSuchEntry
from mongo_sessions.policies.items import traits_of
from mongo_sessions.policies.redacted_item import redacted
from tests.conftest import open_database
from tests.support.conversations import rejections
from tests.support.faults import failing
from tests.support.folding import anchors, let_claims_expire, policy_of, store_of
from tests.support.scribes import BadScribe, HeldScribe, Scribe, turns, user

SECRET = "Zanzibar"  # noqa: S105 - a word


class Telling(Scribe):
    """Repeats the secret in each summary of it."""

    async def __call__(self, request: Any) -> str:
        answer = await super().__call__(request)
        return f"{SECRET} {answer[:50]}" if SECRET in str(request) else answer


async def entries(session: Any) -> list[Any]:
    return [entry async for entry in session.entries()]


async def everything(database: Any) -> bytes:
    """The content of the whole database."""
    found = b""
    for name in await database.list_collection_names():
        for document in await database[name].find().to_list(None):
            found += bson.encode(document)
    return found


async def folded(database: Any, scribe: Scribe | None = None, number: int = 30) -> Any:
    """A session with a secret in item 5, which is pinned, and all summaries that are due."""
    store = store_of(database, scribe or Telling(), user_tokens=100)
    session = store.session("a")
    told = turns(1, number)
    told[4] = {**told[4], "content": f"{SECRET} {told[4]['content']}"}
    for start in range(0, len(told), 2):
        await session.add_items(told[start : start + 2])
    await session.pin(5)
    while await store.fold_pending(session.policy):
        pass
    await session.flush()
    return session


async def test_nothing_derived_survives(database):
    session = await folded(database)
    stored = await everything(database)
    assert stored.count(SECRET.encode()) > 3, "in the item, its pins and the summaries"
    before, covering = await entries(session), len(await anchors(database))
    assert covering > 1
    await session.redact(5)
    assert SECRET.encode() not in await everything(database)
    after = await entries(session)
    assert [entry.seq for entry in after] == [entry.seq for entry in before]
    assert after[4].item == {**before[4].item, "content": "[redacted]"}
    assert [e.item for e in after if e.seq != 5] == [e.item for e in before if e.seq != 5]
    total = 0
    for entry in after:
        total += entry.tokens
        assert entry.total_tokens == total
    store = MongoSessionStore(database, policy=session.policy)
    while await store.fold_pending(session.policy):
        pass
    assert len(await anchors(database)) >= covering
    assert SECRET.encode() not in await everything(database)
    assert SECRET not in str(await session.get_items())
    assert [pin.item["content"] for pin in await session.pinned()] == ["[redacted]"]


async def test_summaries_before_the_entry_stay(database):
    session = await folded(database)
    first, second, *_ = await anchors(database)
    await session.redact(second)
    assert await anchors(database) == [first]
    await session.redact(first + 1)
    assert await anchors(database) == [first]
    await session.redact(first)
    assert await anchors(database) == []


@pytest.mark.parametrize("later", [False, True], ids=["its block", "a later block"])
async def test_a_fold_that_has_read_the_old_text_stores_nothing(database, later):
    """The summariser is asked before the redaction, and answers after it."""
    await folded(database, Telling() if later else BadScribe("raises"), number=12)
    await let_claims_expire(database)
    assert bool(await anchors(database)) == later
    held = HeldScribe()
    policy = policy_of(held, user_tokens=100)
    store = MongoSessionStore(database, policy=policy, token_counter=lambda item: 100)
    writer = store.session("a")
    await writer.add_items(turns(13, 20))
    await held.asked.wait()
    assert SECRET in held.requests[0].transcript or later
    await MongoSessionStore(database).session("a").redact(5)
    held.may_go_on.set()
    await writer.flush()
    assert SECRET.encode() not in await everything(database)
    while await store.fold_pending(policy):
        pass
    assert SECRET.encode() not in await everything(database)
    assert SECRET not in str([request.transcript for request in held.requests[1:]])
    assert await anchors(database)


async def test_a_replacement_is_stored_and_counted(any_database):
    store = MongoSessionStore(any_database, token_counter=lambda item: len(item["content"]))
    session, other = store.session("a"), store.session("a")
    await session.add_items([{"role": "user", "content": "x" * 10}] * 4)
    await other.get_items()
    await session.redact(2, {"role": "user", "content": "new"})
    await session.redact(2, {"role": "user", "content": "new"})
    await other.add_items([{"role": "user", "content": "y"}])
    assert [(e.tokens, e.total_tokens) for e in await entries(session)] == [
        (10, 10),
        (3, 13),
        (10, 23),
        (10, 33),
        (1, 34),
    ]
    (info,) = await store.list_sessions()
    assert (info.items, info.total_tokens) == (5, 34)
    assert await store.recount() == 0
    uncounted = MongoSessionStore(any_database, token_counter=None).session("a")
    await uncounted.redact(3, {"role": "user", "content": "four"})
    assert (await entries(session))[2].item == {"role": "user", "content": "four"}
    assert [e.total_tokens for e in await entries(session)] == [10, 13, 23, 33, 34]


async def test_what_cannot_be_redacted_changes_nothing(any_database):
    session = MongoSessionStore(any_database).session("a")
    call = {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"}
    await session.add_items([user(1), call])
    for seq in (3, 99):
        with pytest.raises(NoSuchEntry, match=f"there is no item {seq} in session 'a'"):
            await session.redact(seq)
    for replacement in ({**call, "call_id": "2"}, {"role": "user", "content": "x"}):
        with pytest.raises(ValueError, match="the call_id of item 2 in session 'a'"):
            await session.redact(2, replacement)
    with pytest.raises(InvalidItem, match="replacement must be a dict, got str"):
        await session.redact(2, "text")
    with pytest.raises(InvalidItem, match=r"replacement\.x is of type bytes"):
        await session.redact(2, {"x": b""})
    with pytest.raises(ValueError, match="seq must be at least 1, got 0"):
        await session.redact(0)
    assert await session.get_items() == [user(1), call]
    await session.pop_item()
    with pytest.raises(NoSuchEntry):
        await session.redact(2)
    await session.clear_session()
    with pytest.raises(NoSuchEntry):
        await session.redact(1)


TEXTS = [
    user(1),
    {"role": "user", "content": [{"type": "input_text", "text": SECRET}]},
    {"role": "user", "content": [{"type": "input_image", "image_url": f"data:{SECRET}"}]},
    {"role": "user", "content": [{"type": "input_file", "file_data": SECRET, "filename": SECRET}]},
    {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": SECRET}]}
    | {"encrypted_content": SECRET},
    {"type": "function_call", "call_id": "1", "name": "f", "arguments": f'{{"x": "{SECRET}"}}'},
    {"type": "function_call_output", "call_id": "1", "output": SECRET},
    {"type": "function_call", "call_id": "2", "name": "f", "arguments": SECRET},
    {"type": "function_call_output", "call_id": "2"}
    | {"output": [{"type": "input_text", "text": SECRET}]},
    {"type": "computer_call", "call_id": "3", "id": "c", "status": "completed"}
    | {"action": {"type": "type", "text": SECRET}, "pending_safety_checks": []},
    {"type": "computer_call_output", "call_id": "3"}
    | {"output": {"type": "computer_screenshot", "image_url": SECRET, "file_id": SECRET}},
    {"type": "shell_call", "call_id": "4", "action": {"commands": [SECRET], "env": {"A": SECRET}}},
    {"type": "shell_call_output", "call_id": "4"}
    | {"output": [{"stdout": SECRET, "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]},
    {"type": "web_search_call", "id": "w", "status": "completed"}
    | {"action": {"type": "search", "query": SECRET}},
    {"type": "message", "role": "assistant", "id": "m", "status": "completed"}
    | {"content": [{"type": "output_text", "text": SECRET}]}
    | {"x": {"annotations": [{"title": SECRET}], "logprobs": [{"token": SECRET}]}},
    {"type": "image_generation_call", "id": "i", "status": "completed", "result": SECRET},
]


def test_no_text_is_left_and_the_history_stays_valid():
    before = [*TEXTS]
    after = [redacted(item) for item in TEXTS]
    assert rejections(before) == rejections(after) == []
    assert SECRET not in str(after)
    assert before == TEXTS
    assert list(map(traits_of, after)) == list(map(traits_of, before))
    assert [redacted(item) for item in after] == after
    assert after[5]["arguments"] == "{}"


@pytest.mark.parametrize("command", ["commitTransaction", "update"])
async def test_a_redaction_through_errors_changes_the_totals_once(database, command):
    store = MongoSessionStore(database, token_counter=lambda item: len(item["content"]))
    session = store.session("a")
    await session.add_items([{"role": "user", "content": "x" * 10}] * 4)
    unknown = {"code": 64, "errmsg": "waiting timed out"}
    async with failing(database, command, times=2, writeConcernError=unknown):
        await session.redact(2, {"role": "user", "content": "new"})
    assert [entry.total_tokens for entry in await entries(session)] == [10, 13, 23, 33]
    async with failing(database, command, times=2, closeConnection=True):
        await session.redact(3, {"role": "user", "content": "new"})
    assert [entry.total_tokens for entry in await entries(session)] == [10, 13, 16, 26]


async def test_a_redaction_that_was_interrupted_can_be_repeated(driver, replica_set):
    """The item is replaced, and the summaries are not removed."""
    async with open_database(driver, replica_set) as database:
        session = await folded(database)
        claims = (await session._log()).log.claims
        forget, claims.forget = claims.forget, None
        with pytest.raises(TypeError):
            await session.redact(5)
        claims.forget = forget
        assert SECRET.encode() in await everything(database)
        await session.redact(5)
        assert SECRET.encode() not in await everything(database)
