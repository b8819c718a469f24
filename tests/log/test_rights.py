"""A server with access control: users with few rights, and wrong passwords."""

from __future__ import annotations

import time
import traceback
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure

from mongo_sessions import (
    IndexesMissing,
    MongoSession,
    MongoSessionStore,
    StoreCheck,
    TokenLimit,
)
from mongo_sessions.log.server.retries import Backoff
from mongo_sessions.testing import START_SECONDS
from mongo_sessions.testing.mongod import Mongod
from tests.conftest import open_database
from tests.support.clients import open_client

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = {"role": "user", "content": "a secret"}
PASSWORD = "correct-horse"  # noqa: S105 - of a server that is gone with the tests

ITEMS_ALONE = ["find", "insert", "update", "remove"]
ROLES = {
    "owner": "root",
    "writer": [*ITEMS_ALONE, "listIndexes"],
    "blind": ITEMS_ALONE,
    "blind_creator": [*ITEMS_ALONE, "createIndex"],
    "without_cards": [*ITEMS_ALONE, "listIndexes", "createIndex"],
    "reader": "readAnyDatabase",
    "readwriter": "readWriteAnyDatabase",
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a replica set of one member, so with transactions, that knows these users."""
    folder = tmp_path_factory.mktemp("guarded")
    key = folder / "key"  # a set with access control has one, however many members it has
    key.write_text("sharedByItsMembers")
    key.chmod(0o600)
    server = Mongod(folder / "member", ["--replSet", "guarded", "--keyFile", str(key)])
    server.start()
    try:
        try:
            _set_up(server)
        except ConnectionFailure as error:
            raise server.failure() from error
        yield server.address
    finally:
        server.remove()


def _set_up(server: Mongod) -> None:
    """Initiate the set and create the first user without credentials; then create the rest."""
    uri = f"mongodb://{server.address}/?directConnection=true"
    with MongoClient[dict[str, Any]](uri) as client:
        members = [{"_id": 0, "host": server.address}]
        client.admin.command("replSetInitiate", {"_id": "guarded", "members": members})
        deadline = time.monotonic() + START_SECONDS
        while not client.admin.command("hello")["isWritablePrimary"]:
            assert time.monotonic() < deadline, server.failure()
            time.sleep(0.02)
        client.admin.command("createUser", "owner", pwd=PASSWORD, roles=["root"])
    with MongoClient[dict[str, Any]](uri_of("owner", server.address)) as client:
        for user, role in ROLES.items():
            if isinstance(role, list):
                collection = "session_items" if user == "without_cards" else ""
                where = {"db": "", "collection": collection}
                rights = [{"resource": where, "actions": role}]
                client.admin.command("createRole", user, privileges=rights, roles=[])
            if user != "owner":
                role_of_user = user if isinstance(role, list) else role
                client.admin.command("createUser", user, pwd=PASSWORD, roles=[role_of_user])


def uri_of(user: str, address: str, password: str = PASSWORD) -> str:
    return f"mongodb://{user}:{password}@{address}/?replicaSet=guarded"


@pytest.fixture
async def owned(driver, guarded):
    """A database, as a user with all rights sees it."""
    async with open_database(driver, uri_of("owner", guarded)) as database:
        yield database


@pytest.fixture
async def seen_by(driver, guarded, owned):
    """The same database, as another user sees it."""
    async with AsyncExitStack() as clients:

        async def seen_by(user: str, password: str = PASSWORD) -> Any:
            uri = uri_of(user, guarded, password)
            client = await clients.enter_async_context(open_client(driver, uri))
            return client.get_database(owned.name)

        yield seen_by


async def documents(database: Any) -> list:
    return await database["session_items"].find().to_list(None)


async def indexes(database: Any) -> set[str]:
    return set(await database["session_items"].index_information())


def everything_said(error: BaseException) -> str:
    details = error.details if isinstance(error, OperationFailure) else ""
    return "".join(traceback.format_exception(error)) + repr(details)


@pytest.mark.parametrize("user", ["writer", "blind_creator"])
@pytest.mark.parametrize("retention", [None, timedelta(days=90)])
async def test_existing_indexes_suffice_for_a_user_without_index_rights(
    owned, seen_by, user, retention
):
    await MongoSessionStore(owned, retention=retention).ensure_indexes()
    store = MongoSessionStore(await seen_by(user), retention=retention)
    await store.session("a").add_items([USER])
    await store.session("a").add_items([USER] * 2)
    assert await store.session("a").get_items() == [USER] * 3


@pytest.mark.parametrize("user", ["writer", "blind", "reader"])
async def test_missing_indexes_that_may_not_be_created_are_an_error_before_any_write(
    owned, seen_by, user
):
    store = MongoSessionStore(await seen_by(user))
    for use in (store.session("a").get_items(), store.session("a").add_items([USER])):
        with pytest.raises(IndexesMissing) as raised:
            await use
        message = str(raised.value)
        assert f"{owned.name}.session_items has no index session_seq" in message
        assert "this user may not create it" in message
        assert "`await store.ensure_indexes()`" in message
        assert "secret" not in everything_said(raised.value)
    assert await documents(owned) == []
    await MongoSessionStore(owned).ensure_indexes()
    if user == "writer":
        await store.session("a").add_items([USER])


async def test_without_the_right_to_list_indexes_create_indexes_false_is_trusted(owned, seen_by):
    await MongoSessionStore(owned).ensure_indexes()
    database = await seen_by("blind")
    with pytest.raises(IndexesMissing, match=r"nor see .* pass create_indexes=False"):
        await MongoSessionStore(database).session("a").get_items()
    session = MongoSessionStore(database, create_indexes=False).session("a")
    await session.add_items([USER])
    assert await session.get_items() == [USER]


async def test_a_user_who_may_create_but_not_list_indexes_creates_them(owned, seen_by):
    store = MongoSessionStore(await seen_by("blind_creator"), retention=timedelta(days=90))
    await store.session("a").add_items([USER])
    there = {"_id_", "session_seq", "gone_at_1h", "session_summary", "created_at_retention"}
    assert await indexes(owned) == there


async def test_a_different_index_of_the_same_name_is_found_without_listing(owned, seen_by):
    await owned["session_items"].create_index("item", name="session_seq")
    store = MongoSessionStore(await seen_by("blind_creator"))
    with pytest.raises(IndexesMissing, match="another one is in its way") as raised:
        await store.session("a").add_items([USER])
    assert "session_seq" in str(raised.value.__cause__)
    assert await documents(owned) == []


async def test_a_missing_summary_index_is_tolerated_without_the_right_to_create_it(
    owned, seen_by, caplog
):
    await MongoSessionStore(owned).ensure_indexes()
    await owned["session_items"].drop_index("session_summary")
    store = MongoSessionStore(await seen_by("writer"))
    for session_id in ("a", "b"):
        await store.session(session_id).add_items([USER])
    [warning] = caplog.messages
    assert "has no index session_summary" in warning


async def test_a_different_retention_is_an_error_without_the_right_to_change_it(owned, seen_by):
    """readWrite has the right to createIndexes, and not to collMod."""
    await MongoSessionStore(owned, retention=timedelta(days=90)).ensure_indexes()
    store = MongoSessionStore(await seen_by("readwriter"), retention=timedelta(days=30))
    with pytest.raises(IndexesMissing, match="created_at_retention") as raised:
        await store.session("a").add_items([USER])
    assert f'db.getSiblingDB("{owned.name}").runCommand({{collMod: ' in str(raised.value)
    assert await documents(owned) == []


@pytest.mark.parametrize("create_indexes", [True, False])
async def test_a_read_only_user_can_read(owned, seen_by, create_indexes):
    await MongoSessionStore(owned).session("a").add_items([USER] * 3)
    store = MongoSessionStore(
        await seen_by("reader"), policy=TokenLimit(100), create_indexes=create_indexes
    )
    session = store.session("a")
    assert await session.get_items() == [USER] * 3
    assert await session.get_items(limit=2) == [USER] * 2
    assert [entry.item async for entry in session.entries()] == [USER] * 3
    assert [info.session_id for info in await store.list_sessions()] == ["a"]


@pytest.mark.parametrize("session_id", ["a", "new"])
@pytest.mark.parametrize("size", [1, 3])
async def test_a_write_by_a_read_only_user_raises_and_writes_nothing(
    owned, seen_by, session_id, size
):
    await MongoSessionStore(owned).session("a").add_items([{"role": "user", "content": "hi"}])
    before = await documents(owned)
    session = MongoSessionStore(await seen_by("reader")).session(session_id)
    for write in (session.add_items([USER] * size), session.pop_item(), session.clear_session()):
        with pytest.raises(OperationFailure, match="not authorized on test_") as raised:
            await write
        assert raised.value.code == 13
        assert "secret" not in everything_said(raised.value)
    assert await documents(owned) == before


@pytest.mark.parametrize("user", ["writer", "nobody"])
async def test_wrong_credentials_are_an_error_at_once(owned, seen_by, user, monkeypatch):
    def pause(backoff, error):
        raise AssertionError("this will not pass")

    monkeypatch.setattr(Backoff, "pause_after", pause)
    for use in (MongoSession.get_items, lambda session: session.add_items([USER])):
        # A client of its own each: of one that failed so, the next command waits for a heartbeat.
        session = MongoSessionStore(await seen_by(user, "hunter2")).session("a")
        with pytest.raises(OperationFailure, match=r"^Authentication failed\.") as raised:
            await use(session)
        assert raised.value.code == 18
        assert "percent-escaped" in str(raised.value)
        assert isinstance(raised.value.__cause__, OperationFailure)
        for secret in ("hunter2", "a secret"):
            assert secret not in everything_said(raised.value)
    assert not await MongoSessionStore(await seen_by(user, "hunter2")).ping()


async def test_no_credentials_are_an_error(driver, owned, guarded):
    async with open_client(driver, f"mongodb://{guarded}/?replicaSet=guarded") as client:
        for create_indexes in (True, False):
            store = MongoSessionStore(client[owned.name], create_indexes=create_indexes)
            with pytest.raises((IndexesMissing, OperationFailure)) as raised:
                await store.session("a").add_items([USER])
            assert "requires authentication" in everything_said(raised.value)
            assert "secret" not in everything_said(raised.value)
    assert await documents(owned) == []


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        ("owner", None),
        ("readwriter", None),
        ("writer", None),
        ("reader", "this user lacks rights in {}.session_items: insert, update, remove"),
    ],
)
async def test_a_check_looks_at_the_rights(owned, seen_by, user, reason):
    await MongoSessionStore(owned).ensure_indexes()
    check = await MongoSessionStore(await seen_by(user)).check()
    assert check == StoreCheck(ok=not reason, reason=(reason or "ready").format(owned.name))


async def test_check_is_false_without_the_right_to_create_the_indexes(owned, seen_by):
    for user, ok in [("writer", False), ("readwriter", True)]:
        check = await MongoSessionStore(await seen_by(user)).check()
        assert bool(check) is ok
        assert ("has no index session_seq" in check.reason) is not ok
    assert await owned.list_collection_names() == []


async def test_a_check_without_the_right_credentials_is_false(driver, owned, guarded, seen_by):
    check = await MongoSessionStore(await seen_by("writer", "hunter2")).check()
    assert not check
    assert check.reason.startswith("Authentication failed.")
    assert "hunter2" not in check.reason
    async with open_client(driver, f"mongodb://{guarded}/?replicaSet=guarded") as client:
        check = await MongoSessionStore(client[owned.name], create_indexes=False).check()
        assert not check
        assert "requires authentication" in check.reason


async def test_sessions_work_as_before_without_rights_on_the_cards(owned, seen_by, caplog):
    store = MongoSessionStore(await seen_by("without_cards"))
    for session_id in ("a", "b"):
        session = store.session(session_id)
        await session.add_items([USER])
        await session.flush()
        await session.add_items([USER])
        await session.flush()
        assert await session.get_items() == [USER] * 2
    assert await store.delete_session("a") == 2
    assert await store.delete_session("b") == 2
    missing, refused = caplog.messages
    assert "session_items_cards has no index owner_active" in missing
    assert f"this user lacks rights in {owned.name}.session_items_cards" in refused
    assert "secret" not in caplog.text
    assert await owned["session_items_cards"].find().to_list(None) == []


async def test_cards_without_rights_are_refused_clearly(owned, seen_by):
    store = MongoSessionStore(await seen_by("without_cards"))
    lacks = "this user lacks rights in test_.*session_items_cards: .* need find, insert, update"
    for use in (
        store.session("a", owner="u1").get_items(),
        store.session("a", owner="u1").add_items([USER]),
        store.session("a").card(),
        store.session("a").update_card(title="a secret"),
    ):
        with pytest.raises(OperationFailure, match=lacks) as raised:
            await use
        assert "secret" not in everything_said(raised.value)
    for listing in (
        store.list_sessions(owner="u1"),
        store.list_sessions(order="active"),
        store.delete_owner("u1"),
        store.delete_idle(timedelta(days=1)),
        store.ensure_indexes(),
    ):
        with pytest.raises(IndexesMissing, match="session_items_cards has no index owner_active"):
            await listing
    assert await documents(owned) == []


async def test_a_read_only_user_of_an_owner_reads_and_lists(owned, seen_by):
    store = MongoSessionStore(owned)
    await store.session("a", owner="u1").add_items([USER])
    await store.session("a").update_card(title="t")
    await store.ensure_indexes()
    reader = MongoSessionStore(await seen_by("reader"))
    assert await reader.session("a", owner="u1").get_items() == [USER]
    assert [card.title for card in await reader.list_sessions(owner="u1")] == ["t"]
    with pytest.raises(OperationFailure, match="this user lacks rights"):
        await reader.session("new", owner="u1").get_items()
