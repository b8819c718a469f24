"""The SDK's own wrappers around a MongoSession."""

from __future__ import annotations

from typing import Any

import pytest
from agents import Agent, Runner
from agents.extensions.memory import EncryptedSession
from agents.memory import OpenAIResponsesCompactionSession, SessionSettings
from agents.testing import ScriptedModel, assistant_message
from openai.types.responses.compacted_response import CompactedResponse

from mongo_sessions import MongoSessionStore, TokenLimit

KEY = "the key of a test, and of nothing else"


@pytest.fixture
def session(store):
    return store.session("a")


async def talk(session: Any, *texts: str) -> list:
    model = ScriptedModel([[assistant_message(f"re: {text}")] for text in texts])
    for text in texts:
        await Runner.run(Agent("assistant", model=model), text, session=session)
    return [[item.get("content") for item in call.input] for call in model.calls]


async def test_encrypted_session(store, session):
    encrypted = EncryptedSession("a", session, KEY)
    seen = await talk(encrypted, "my secret", "again")
    assert seen[1][0] == "my secret"
    assert seen[1][-1] == "again"
    raw = [entry.item async for entry in session.entries()]
    assert len(raw) == 4
    assert all(item["__enc__"] == 1 for item in raw)
    assert "secret" not in str(raw)
    assert (await encrypted.pop_item())["role"] == "assistant"
    assert len(await encrypted.get_items(limit=2)) == 2
    assert len(await EncryptedSession("a", store.session("a"), KEY).get_items()) == 3
    assert await EncryptedSession("a", store.session("a"), "another key").get_items() == []
    await encrypted.clear_session()
    assert await session.get_items() == []


async def test_a_policy_around_encrypted_items_is_bounded_and_warned_of(database, caplog):
    """It sees envelopes, and cannot tell which of them belong together."""
    store = MongoSessionStore(
        database, token_counter=lambda item: 10, policy=TokenLimit(40, block_tokens=10)
    )
    seen = await talk(EncryptedSession("a", store.session("a"), KEY), *(str(n) for n in range(5)))
    assert [len(prompt) for prompt in seen] == [1, 3, 5, 5, 5]
    await talk(EncryptedSession("b", store.session("b"), KEY), "once a store")
    [warning] = [record for record in caplog.records if "EncryptedSession" in record.message]
    assert warning.name == "mongo_sessions"
    assert "EncryptedSession hides the items of session 'a' from its policy" in warning.message
    assert "store.session('a', policy=None, session_settings=SessionSetti" in warning.message


async def test_encrypted_items_can_be_limited_by_number(database, caplog):
    store = MongoSessionStore(database, policy=TokenLimit(40))
    session = store.session("a", policy=None, session_settings=SessionSettings(limit=4))
    seen = await talk(EncryptedSession("a", session, KEY), *(str(n) for n in range(5)))
    assert [len(prompt) for prompt in seen] == [1, 3, 5, 5, 5]
    assert caplog.records == []


@pytest.mark.parametrize(
    "item",
    [
        {"role": "user", "content": "__enc__"},
        {"__enc__": 1},
        {"__enc__": 2, "v": 1, "kid": "k", "payload": "p"},
    ],
)
async def test_what_is_no_envelope_is_not_taken_for_one(database, item, caplog):
    await MongoSessionStore(database, policy=TokenLimit(40)).session("a").add_items([item])
    assert caplog.records == []


class ScriptedCompaction:
    """Stands in for the OpenAI client: answers responses.compact, and calls no model."""

    def __init__(self) -> None:
        self.responses = self
        self.calls: list[dict] = []

    async def compact(self, **kwargs: Any) -> CompactedResponse:
        self.calls.append(kwargs)
        return CompactedResponse.model_construct(
            output=[{"type": "compaction", "id": "c1", "encrypted_content": "opaque"}]
        )


async def test_compaction_session(session):
    client = ScriptedCompaction()
    compacting = OpenAIResponsesCompactionSession(
        "a",
        session,
        client=client,
        compaction_mode="input",
        should_trigger_compaction=lambda _: False,
    )
    await talk(compacting, "one", "two")
    assert len(await session.get_items()) == 4
    await compacting.run_compaction({"force": True, "compaction_mode": "input"})
    assert len(client.calls) == 1
    assert len(client.calls[0]["input"]) == 4
    assert [item["type"] for item in await session.get_items()] == ["compaction"]
    await talk(compacting, "three")
    stored = [entry.item async for entry in session.entries()]
    assert [item.get("type", item.get("role")) for item in stored] == [
        "compaction",
        "user",
        "message",
    ]
