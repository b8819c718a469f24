"""Wrong arguments raise at once, without a server, and the error names the value."""

from __future__ import annotations

from datetime import timedelta

import pytest
from agents.memory import SessionSettings
from mongomock_motor import AsyncMongoMockClient
from pymongo import AsyncMongoClient, MongoClient

from mongo_sessions import ListHistory, MongoSessionStore, TokenLimit
from mongo_sessions.policies import Entry

USER = {"role": "user", "content": "hello"}


def sync_policy(history):
    return []


class SyncMaintained:
    async def __call__(self, history):
        return []

    def maintain(self, history):
        return False


async def async_counter(item):
    return 1


@pytest.fixture
def database():
    return AsyncMongoMockClient()["test"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"retry_for": 0}, ValueError, "retry_for must be positive, got 0"),
        ({"retry_for": float("nan")}, ValueError, "retry_for must be positive, got nan"),
        ({"retry_for": "3"}, TypeError, "retry_for must be a number of seconds, got '3'"),
        ({"retention": 90}, TypeError, "retention must be a timedelta or None, got 90"),
        ({"retention": timedelta(0)}, ValueError, "retention must be at least an hour"),
        ({"token_counter": "gpt-4o"}, TypeError, "token_counter must be .* got 'gpt-4o'"),
        ({"policy": 5}, TypeError, "policy must be a coroutine function: .*; got 5$"),
        (
            {"policy": TokenLimit},
            TypeError,
            r"define it with async def, .* got the class mongo_sessions\.[a-z_.]*TokenLimit$",
        ),
        (
            {"policy": sync_policy},
            TypeError,
            r"define it with async def.* got [\w.]+\.sync_policy$",
        ),
        ({"policy": SyncMaintained()}, TypeError, r"policy\.maintain must be a coroutine function"),
        (
            {"token_counter": async_counter},
            TypeError,
            r"token_counter is not awaited: .*async_counter",
        ),
        (
            {"policy": TokenLimit(8_000), "session_settings": SessionSettings(limit=3)},
            ValueError,
            r"TokenLimit\(8000, block_tokens=3000\)\) exclude each other",
        ),
    ],
)
def test_a_store_refuses_wrong_options_at_once(database, options, error, message):
    with pytest.raises(error, match=message):
        MongoSessionStore(database, **options)


async def test_a_database_of_another_kind_is_refused_by_its_full_name():
    async with AsyncMongoClient("mongodb://127.0.0.1:1") as client:
        with pytest.raises(TypeError, match=r"got pymongo\.asynchronous.*AsyncMongoClient"):
            MongoSessionStore(client)
    with (
        MongoClient("mongodb://127.0.0.1:1", connect=False) as client,
        pytest.raises(TypeError, match=r"got pymongo\.synchronous.*Database"),
    ):
        MongoSessionStore(client["agents"])


def test_a_uri_must_be_a_str():
    with pytest.raises(TypeError, match="uri must be a str, got None"):
        MongoSessionStore.from_uri(None)


@pytest.mark.parametrize("items", [None, USER, "hello", iter([USER])])
async def test_items_must_be_a_list(database, items):
    session = MongoSessionStore(database).session("a")
    with pytest.raises(TypeError, match="items must be a list, got"):
        await session.add_items(items)
    assert await session.get_items() == []


@pytest.mark.parametrize("limit", ["3", 2.0, True])
async def test_a_limit_must_be_a_whole_number(database, limit):
    with pytest.raises(TypeError, match="limit must be a whole number, got"):
        await MongoSessionStore(database).session("a").get_items(limit=limit)


@pytest.mark.parametrize(
    ("after_seq", "error"),
    [("3", TypeError), (None, TypeError), (-1, ValueError), (10**30, ValueError)],
)
async def test_entries_refuses_an_invalid_after_seq(database, after_seq, error):
    with pytest.raises(error, match="after_seq must be"):
        async for _ in MongoSessionStore(database).session("a").entries(after_seq=after_seq):
            pass


@pytest.mark.parametrize(
    ("arguments", "name"),
    [({"prefix": None}, "prefix"), ({"after": 3}, "after"), ({"limit": 2.5}, "limit")],
)
async def test_a_listing_refuses_wrong_arguments(database, arguments, name):
    with pytest.raises(TypeError, match=f"{name} must be"):
        await MongoSessionStore(database).list_sessions(**arguments)


@pytest.mark.parametrize("text", ["s" * 1_025, "ü" * 513, "s" * 70_000])
async def test_an_id_or_a_prefix_that_is_too_long_is_refused_by_its_length(database, text):
    store = MongoSessionStore(database)
    too_long = f"must have at most 1,024 bytes, got {len(text.encode()):,}$"
    with pytest.raises(ValueError, match=f"^session_id {too_long}"):
        store.session(text)
    with pytest.raises(ValueError, match=f"^prefix {too_long}"):
        await store.list_sessions(text)
    with pytest.raises(ValueError, match=f"^after {too_long}"):
        await store.list_sessions(after=text)


async def test_a_prefix_that_is_no_unicode_is_refused(database):
    with pytest.raises(ValueError, match="prefix must be valid Unicode"):
        await MongoSessionStore(database).list_sessions("\ud800")


async def test_session_settings_may_be_a_dict_as_in_the_sdk(database):
    session = MongoSessionStore(database, session_settings={"limit": 1}).session("a")
    assert session.session_settings == SessionSettings(limit=1)
    await session.add_items([USER, {**USER, "content": "again"}])
    assert len(await session.get_items()) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"limits": 1}, "Unknown session settings: limits"), (3, "must be a SessionSettings")],
)
def test_wrong_session_settings_are_an_error_at_once(database, settings, message):
    with pytest.raises(TypeError, match=message):
        MongoSessionStore(database, session_settings=settings)
    session = MongoSessionStore(database).session("a")
    with pytest.raises(TypeError, match=message):
        session.session_settings = settings
    assert session.session_settings == SessionSettings()


@pytest.mark.parametrize("policy", [None, TokenLimit(8_000)])
@pytest.mark.parametrize("given", [None, {}, SessionSettings()])
def test_session_settings_have_a_default_as_in_the_sdk(database, policy, given):
    session = MongoSessionStore(database, policy=policy, session_settings=given).session("a")
    settings = session.session_settings
    assert isinstance(settings, SessionSettings)
    assert settings == SessionSettings()
    assert SessionSettings() == settings
    assert settings != SessionSettings(limit=3)
    assert session.session_settings is settings


def test_a_limit_that_is_set_later_is_refused_beside_a_policy(database):
    session = MongoSessionStore(database, policy=TokenLimit(8_000)).session("a")
    with pytest.raises(ValueError, match="exclude each other"):
        session.session_settings = {"limit": 3}
    session.session_settings = None
    assert session.session_settings == SessionSettings()


@pytest.mark.parametrize(
    ("view", "got"),
    [
        (None, "NoneType"),
        ("a secret", "str"),
        ((USER,), "tuple"),
        ([USER, None], "NoneType at index 1"),
        ([Entry(1, USER, 1, 1, 1, None)], "Entry at index 0"),
    ],
)
async def test_a_policy_that_returns_no_list_of_items_raises(database, view, got):
    async def wrong(history):
        return view

    with pytest.raises(TypeError) as raised:
        await MongoSessionStore(database, policy=wrong).session("a").get_items()
    assert str(raised.value) == (
        f"policy {__name__}.{wrong.__qualname__} must return a list of items, which are dicts; "
        f"got {got}"
    )


async def test_a_list_history_is_a_history():
    history = ListHistory([USER] * 3, token_counter=lambda item: 2)
    entries = [entry async for entry in history.newest_first()]
    assert [(e.seq, e.tokens, e.total_tokens, e.turn) for e in entries] == [
        (3, 2, 6, 3),
        (2, 2, 4, 2),
        (1, 2, 2, 1),
    ]
    assert [entry.seq async for entry in history.oldest_first(after_seq=1)] == [2, 3]
    assert await history.latest_summary() is None
    assert await history.claim(entries[1], 60)
    assert await history.claim(entries[1], 60), "it is one's own"
    await history.release(entries[1])
    assert await history.claim(entries[1], 60)
    await history.back_off(entries[1], 60)
    assert not await history.claim(entries[1], 60)
    await history.back_off(entries[1], -1)
    assert await history.claim(entries[1], 60)
    assert history.entries[1].claim.failures == 2
    assert await history.save_summary(entries[1], {"text": "…"})
    assert not await history.save_summary(entries[1], {"text": "again"})
    assert not await history.claim(entries[1], -60)
    assert (await history.latest_summary()).summary == {"text": "…"}
