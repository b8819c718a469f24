"""The indexes: created by the first operation, reused, and an error if they cannot be created."""

from __future__ import annotations

import asyncio
import logging
import re
import traceback
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from agents.extensions.memory import MongoDBSession
from mongomock_motor import AsyncMongoMockClient
from pymongo import AsyncMongoClient, IndexModel
from pymongo.errors import OperationFailure

from mongo_sessions import ForeignCollection, IndexesMissing, MongoSessionStore, StoreCheck
from mongo_sessions.log.indexes.indexes import Indexes
from tests.support.faults import failing

USER = {"role": "user", "content": "a secret"}
BY_SESSION = [("session_id", 1), ("seq", -1)]
WITH_SUMMARY = {"summary": {"$exists": True}}
UNIQUE = IndexModel(BY_SESSION, name="mine", unique=True)
SUMMARY = IndexModel(BY_SESSION, name="my_summaries", partialFilterExpression=WITH_SUMMARY)
MARKS = IndexModel("gone_at", name="my_marks", expireAfterSeconds=3_600, sparse=True)
RETENTION = timedelta(days=90)


@pytest.fixture
def items(database):
    return database["session_items"]


async def refused(store: MongoSessionStore) -> str:
    """The error that every operation of this store raises; nothing is written meanwhile."""
    session = store.session("a")
    items = store._connections.current().database["session_items"]
    before = await items.find().to_list(None)
    with pytest.raises(IndexesMissing):
        await session.get_items()
    with pytest.raises(IndexesMissing) as raised:
        await session.add_items([USER])
    assert await items.find().to_list(None) == before
    assert "secret" not in "".join(traceback.format_exception(raised.value))
    return str(raised.value)


def in_mongosh(message: str) -> list[str]:
    return re.findall(r"(?<=\.)(?:createIndex|dropIndex|runCommand)\(.*?\)(?=[. ;]|$)", message)


async def test_the_created_indexes_match_the_design(database, store, items):
    await store.ensure_indexes()
    indexes = await items.index_information()
    assert indexes["session_seq"]["key"] == BY_SESSION
    assert indexes["session_seq"]["unique"]
    assert indexes["session_summary"]["key"] == BY_SESSION
    assert indexes["session_summary"]["partialFilterExpression"] == WITH_SUMMARY
    assert indexes["gone_at_1h"]["key"] == [("gone_at", 1)]
    assert indexes["gone_at_1h"]["expireAfterSeconds"] == 3_600
    assert indexes["gone_at_1h"]["sparse"], "it costs nothing where nothing is removed"


async def test_a_different_expiry_of_marks_is_changed_and_a_missing_one_is_an_error(
    items, database
):
    await items.create_indexes([UNIQUE, SUMMARY])
    message = await refused(MongoSessionStore(database, create_indexes=False))
    assert "what was popped or cleared stays in the database" in message
    await items.create_index("gone_at", name="theirs", expireAfterSeconds=60, sparse=True)
    message = await refused(MongoSessionStore(database, create_indexes=False))
    assert in_mongosh(message)[0].endswith(
        '{"keyPattern": {"gone_at": 1}, "expireAfterSeconds": 3600}})'
    )
    await MongoSessionStore(database).session("a").add_items([USER])
    assert (await items.index_information())["theirs"]["expireAfterSeconds"] == 3_600


async def test_indexes_that_are_there_are_not_created_again(any_database):
    for retention in (None, RETENTION, None, RETENTION):
        store = MongoSessionStore(any_database, retention=retention)
        await store.session("a").add_items([USER])
    assert len(await any_database["session_items"].index_information()) == 5


@pytest.mark.parametrize("create_indexes", [True, False])
async def test_indexes_do_under_whatever_name(items, database, sent, create_indexes):
    retention = IndexModel("created_at", name="my_ttl", expireAfterSeconds=90 * 86_400)
    await items.create_indexes([UNIQUE, MARKS, SUMMARY, retention])
    sent.clear()
    store = MongoSessionStore(database, retention=RETENTION, create_indexes=create_indexes)
    await store.session("a").add_items([USER])
    assert sent.names == ["find", "listIndexes", "hello", "find", "insert"]


async def test_without_the_unique_index_writes_are_refused(database, sent, items):
    store = MongoSessionStore(database, create_indexes=False)
    message = await refused(store)
    assert "createIndexes" not in sent.names
    assert message.startswith(
        f'{database.name}.session_items has no index session_seq on {{"session_id": 1, "seq": -1}}'
    )
    assert "create_indexes=False" in message
    assert "`await store.ensure_indexes()`" in message
    await store.ensure_indexes()
    await store.session("a").add_items([USER])
    assert await store.session("a").get_items() == [USER]


@pytest.mark.parametrize(
    "useless",
    [
        IndexModel(BY_SESSION, name="not_unique"),
        IndexModel([("session_id", 1), ("seq", 1)], name="another_order", unique=True),
        IndexModel([("seq", -1), ("session_id", 1)], name="another_key", unique=True),
        IndexModel(BY_SESSION, name="partial", unique=True, partialFilterExpression=WITH_SUMMARY),
        IndexModel(
            BY_SESSION, name="a_is_A", unique=True, collation={"locale": "en", "strength": 2}
        ),
    ],
)
async def test_a_similar_index_does_not_count_as_the_required_one(database, items, useless):
    await items.create_indexes([useless])
    await refused(MongoSessionStore(database, create_indexes=False))
    await MongoSessionStore(database).session("a").add_items([USER])
    assert (await items.index_information())["session_seq"]["unique"]


async def test_a_hidden_index_is_an_error(database, items):
    await items.create_index(BY_SESSION, name="mine", unique=True, hidden=True)
    assert in_mongosh(await refused(MongoSessionStore(database)))[0] == 'dropIndex("mine")'


@pytest.mark.parametrize("create_indexes", [True, False])
@pytest.mark.parametrize("key", [BY_SESSION, [("item", 1)]])
async def test_a_different_index_of_the_same_name_raises_with_the_remedy(
    database, items, create_indexes, key
):
    await items.create_index(key, name="session_seq")
    store = MongoSessionStore(database, create_indexes=create_indexes)
    message = await refused(store)
    assert "Another index, session_seq, is in its way" in message
    assert f'db.getSiblingDB("{database.name}").getCollection("session_items")' in message
    assert in_mongosh(message) == [
        'dropIndex("session_seq")',
        'createIndex({"session_id": 1, "seq": -1}, {"name": "session_seq", "unique": true})',
    ]
    await items.drop_index("session_seq")
    await store.ensure_indexes()
    await store.session("a").add_items([USER])


async def test_an_equivalent_index_on_an_older_server_is_named(database, items):
    """Before MongoDB 5.0, two indexes with one key differ in more than being unique."""
    await items.create_indexes([SUMMARY, IndexModel(BY_SESSION, name="theirs")])
    async with failing(database, "createIndexes", times="alwaysOn", errorCode=85):
        message = await refused(MongoSessionStore(database))
    assert in_mongosh(message)[0] == 'dropIndex("theirs")'
    assert "my_summaries" not in message


async def test_documents_that_collide_are_an_error_without_their_text(database, items):
    numbers = {"session_id": "a", "seq": 1, "turn": 1, "created_at": datetime.now(timezone.utc)}
    await items.insert_many([{**numbers, "item": USER} for _ in range(2)])
    message = await refused(MongoSessionStore(database))
    assert "several documents have one session_id and seq" in message
    assert "session_seq" not in await items.index_information()


async def test_a_missing_index_of_summaries_is_worth_one_warning(database, items, caplog):
    await items.create_indexes([UNIQUE, MARKS])
    store = MongoSessionStore(database, create_indexes=False)
    for session_id in ("a", "b"):
        await store.session(session_id).add_items([USER])
    [warning] = caplog.messages
    assert "has no index session_summary" in warning
    assert "more slowly" in warning
    assert caplog.records[0].name == "mongo_sessions"
    await store.ensure_indexes()
    assert "session_summary" in await items.index_information()


async def test_a_conflicting_summary_index_is_no_error(database, items, caplog):
    await items.create_index("item", name="session_summary")
    await MongoSessionStore(database).session("a").add_items([USER])
    [warning] = caplog.messages
    assert in_mongosh(warning)[0] == 'dropIndex("session_summary")'
    assert (await items.index_information())["session_seq"]["unique"]


async def test_other_errors_come_through_as_they_are(database):
    for command in ("listIndexes", "createIndexes"):
        async with failing(database, command, times="alwaysOn", errorCode=8000):
            with pytest.raises(OperationFailure) as raised:
                await MongoSessionStore(database).session("a").add_items([USER])
        assert raised.value.code == 8000


async def test_a_collection_of_the_sdks_own_session_is_refused(database, replica_set):
    async with AsyncMongoClient(replica_set) as client:
        theirs = MongoDBSession("a", client=client, database=database.name)
        await theirs.add_items([USER])
        collections = await database.list_collection_names()
        before = {name: await database[name].index_information() for name in collections}
        for name in collections:
            for create_indexes in (True, False):
                store = MongoSessionStore(database, collection=name, create_indexes=create_indexes)
                for use in (
                    store.session("a").get_items(),
                    store.session("a").add_items([USER]),
                    store.list_sessions(),
                    store.ensure_indexes(),
                ):
                    with pytest.raises(ForeignCollection, match=f"{database.name}.{name} holds"):
                        await use
            assert await database[name].index_information() == before[name]
        assert await theirs.get_items() == [USER]


@pytest.mark.parametrize(
    "field", [{"session_id": 7}, {"seq": "1"}, {"turn": None}, {"created_at": "today"}]
)
async def test_a_document_of_another_kind_is_refused_without_its_text(database, items, field):
    ours = {"session_id": "a", "seq": 1, "turn": 1, "created_at": datetime.now(timezone.utc)}
    await items.insert_one({**ours, **field, "item": USER})
    with pytest.raises(ForeignCollection) as raised:
        await MongoSessionStore(database).session("a").get_items()
    assert "secret" not in "".join(traceback.format_exception(raised.value))
    assert set(await items.index_information()) == {"_id_"}


async def retention_of(database: Any, name: str = "created_at_retention") -> int | None:
    indexes = await database["session_items"].index_information()
    return indexes.get(name, {}).get("expireAfterSeconds")


async def test_retention_is_an_index_that_can_be_changed(database):
    for days in (90, 90, 30):
        store = MongoSessionStore(database, retention=timedelta(days=days))
        await store.session("a").add_items([USER])
        assert await retention_of(database) == days * 86_400
    await MongoSessionStore(database).session("a").add_items([USER])
    assert await retention_of(database) == 30 * 86_400, "None leaves it as it is"


async def test_a_retention_under_another_name_is_changed_as_well(database, items):
    await items.create_index("created_at", name="my_ttl", expireAfterSeconds=60)
    await MongoSessionStore(database, retention=RETENTION).session("a").add_items([USER])
    assert await retention_of(database, "my_ttl") == 90 * 86_400


@pytest.mark.parametrize("there_is", [None, "created_at_retention", "my_ttl"])
async def test_a_retention_that_is_not_kept_is_an_error(database, items, there_is):
    await items.create_indexes([UNIQUE, MARKS, SUMMARY])
    if there_is:
        await items.create_index("created_at", name=there_is, expireAfterSeconds=60)
    store = MongoSessionStore(database, retention=RETENTION, create_indexes=False)
    [command] = in_mongosh(await refused(store))
    assert command.startswith("runCommand({collMod: " if there_is else "createIndex(")
    await store.ensure_indexes()
    await store.session("a").add_items([USER])
    assert await retention_of(database, there_is or "created_at_retention") == 90 * 86_400


async def test_a_conflicting_retention_index_is_an_error(database, items):
    await items.create_index("item", name="created_at_retention")
    message = await refused(MongoSessionStore(database, retention=RETENTION))
    assert in_mongosh(message)[0] == 'dropIndex("created_at_retention")'


async def test_a_missing_partial_index_on_mongomock_is_tolerated(caplog):
    database = AsyncMongoMockClient().get_database("test")
    with pytest.raises(IndexesMissing):
        await MongoSessionStore(database, create_indexes=False).session("a").add_items([USER])
    for create_indexes in (True, True, False):
        store = MongoSessionStore(database, create_indexes=create_indexes)
        await store.session("a").add_items([USER])
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_a_check_looks_at_the_indexes_and_creates_none(any_database):
    store = MongoSessionStore(any_database)
    check = await store.check()
    assert check
    assert check.reason == "ready: the first operation creates the indexes"
    without = MongoSessionStore(any_database, create_indexes=False)
    check = await without.check()
    assert not check
    assert "has no index session_seq" in check.reason
    assert await any_database.list_collection_names() == []
    await store.ensure_indexes()
    assert await store.check() == await without.check() == StoreCheck(ok=True, reason="ready")


async def test_a_check_of_a_foreign_collection_is_false(database, items):
    await items.insert_one({"session_id": "a", "messages": [USER]})
    check = await MongoSessionStore(database).check()
    assert not check
    assert "not of mongo-sessions" in check.reason
    assert "secret" not in check.reason


async def test_a_check_ends_in_time_whatever_hangs(database, monkeypatch):
    """A name server, say, which no driver bounds."""

    async def hang(_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Indexes, "check_one_document", hang)
    check = await asyncio.wait_for(MongoSessionStore(database).check(timeout=0.05), timeout=30)
    assert check == StoreCheck(ok=False, reason="no answer within 0.05 s")
