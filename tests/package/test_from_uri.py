"""Clients of a store: URIs, names of drivers, handshakes and ``repr``."""

from __future__ import annotations

import asyncio
import traceback
from contextlib import nullcontext
from functools import partial

import pymongo
import pytest
from mongomock_motor import AsyncMongoMockClient
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from pymongo.errors import ConfigurationError, InvalidURI

from mongo_sessions import MongoSession, MongoSessionStore, TokenLimit
from mongo_sessions.connection import own_clients
from mongo_sessions.log.server.drivers import DRIVER_INFO, maybe_await
from tests.support.clients import open_client


@pytest.mark.parametrize("uri", ["localhost", "http://localhost", "mongodb://"])
def test_an_invalid_uri_is_refused_at_once(uri):
    with pytest.raises(InvalidURI):
        MongoSessionStore.from_uri(uri)


def test_an_unknown_option_is_refused_with_the_names_of_the_options():
    with pytest.raises(
        ConfigurationError, match=r"Unknown option(\.|: retry\..*) .* has these: retry, w$"
    ):
        MongoSessionStore.from_uri("mongodb://ann:hunter2@localhost/?retry=true&w=1")
    with pytest.raises(ConfigurationError, match="must be percent-escaped") as raised:
        MongoSessionStore.from_uri("mongodb://ann:hun/x?ter2=3@localhost/")
    assert "ter2" not in str(raised.value)


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://ann:hun/ter2@localhost/",
        "mongodb://ann:hun@ter2@localhost/",
        "mongodb://ann:hun:ter2@localhost/",
        "mongodb+srv://ann:hun/ter2@example.org/",
    ],
)
def test_a_password_that_is_not_escaped_is_an_error_that_says_so(uri):
    with pytest.raises(InvalidURI, match="must be percent-escaped") as raised:
        MongoSessionStore.from_uri(uri)
    assert "ter2" not in "".join(traceback.format_exception(raised.value)).replace(repr(uri), "")


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://ann:hun@ter2/@db.example.org/db",
        "mongodb://ann:hun/ter2?&@db.example.org/db",
        "mongodb://ann:hun?a]ter2@db.example.org/?w=1",
        "mongodb://ann:hun@ter2?@db.example.org/?retry=1",
        "mongodb+srv://ann:hun?ter2@db.example.org/?w=1",
        "mongodb+srv://ann:hun@ter2?x@db.example.org/",
    ],
)
def test_no_part_of_a_password_that_is_not_escaped_is_told(uri):
    """PyMongo takes a part of it for a host, a database or an option."""
    try:
        told = repr(MongoSessionStore.from_uri(uri))
    except ConfigurationError as error:
        told = str(error)
        assert "must be percent-escaped" in told
    assert "hun" not in told
    assert "ter2" not in told


def test_an_at_sign_in_an_option_is_no_error():
    store = MongoSessionStore.from_uri("mongodb://ann:hunter2@one/?appName=me@work")
    assert repr(store).startswith("MongoSessionStore('…/agents.")


@pytest.mark.parametrize("driver", ["mongo", None, "Motor"])
def test_a_driver_of_another_name_is_refused_at_once(driver):
    for make in (MongoSessionStore.from_uri, partial(MongoSession.from_uri, "a")):
        with pytest.raises(ValueError, match=f"driver must be one of .*'pymongo'.*got {driver!r}"):
            make(uri="mongodb://localhost", driver=driver)


@pytest.mark.parametrize(
    ("uri", "where"),
    [
        ("mongodb://ann:hunter2@one:27017,two:27018/admin?tls=true", "one:27017,two:27018/agents"),
        ("mongodb+srv://ann:hunter2@cluster.example.org/?w=1", "cluster.example.org/agents"),
        ("mongodb://one", "one/agents"),
    ],
)
def test_the_repr_of_a_store_names_hosts_and_no_credentials(uri, where):
    store = MongoSessionStore.from_uri(uri, collection="items", policy=TokenLimit(8_000))
    assert repr(store) == (
        f"MongoSessionStore('{where}.items', policy=TokenLimit(8000, block_tokens=3000))"
    )


async def test_the_repr_of_a_store_with_a_given_client_names_its_hosts(driver):
    uri = "mongodb://ann:hunter2@127.0.0.1:1,127.0.0.1:2/"
    async with open_client(driver, uri) as client:
        store = MongoSessionStore(client["agents"])
        assert repr(store) == (
            "MongoSessionStore('127.0.0.1:1,127.0.0.1:2/agents.session_items', policy=None)"
        )
    assert "/test.session_items'" in repr(MongoSessionStore(AsyncMongoMockClient()["test"]))


async def driver_names(database, app: str) -> set[str]:
    """The driver names in the handshakes of an application's connected clients."""
    match = {"$match": {"clientMetadata.application.name": app}}
    pipeline = [{"$currentOp": {"allUsers": True, "idleConnections": True}}, match]
    cursor = await maybe_await(database.client.admin.aggregate(pipeline))
    operations = await cursor.to_list(None)
    return {operation["clientMetadata"]["driver"]["name"] for operation in operations}


async def test_the_handshake_contains_the_package_name_once(replica_set):
    async with open_client("pymongo", replica_set, appname="given") as client:
        for _ in range(2):
            await MongoSessionStore(client["test_loops"]).ping()
        names = await driver_names(client["test"], "given")
        assert max(name.count("|mongo-sessions") for name in names) == 1
    uri = f"{replica_set}&appName=own"
    async with MongoSessionStore.from_uri(uri, driver="pymongo") as store:
        database = store._connections.current().database
        names = await driver_names(database, "own")
        assert {name.count("|mongo-sessions") for name in names} == {1}


def test_motor_sends_no_name_of_ours_with_every_pymongo():
    """Motor joins the name to its own by "|". Once this fails, from_uri may give one."""
    is_refused = pymongo.version_tuple >= (4, 19)
    refusal = pytest.raises(ValueError, match="must not contain") if is_refused else nullcontext()
    with refusal:
        AsyncIOMotorClient("mongodb://localhost", driver=DRIVER_INFO).close()


@pytest.mark.parametrize("database", [None, "agents", object()])
def test_an_object_other_than_a_database_is_refused(database):
    with pytest.raises(TypeError, match="database must be"):
        MongoSessionStore(database)


async def test_closing_does_not_wait_for_a_driver_that_does_not_end(replica_set, monkeypatch):
    goes_on = asyncio.Event()
    close = AsyncMongoClient.close

    async def hang(client):
        await goes_on.wait()
        await close(client)

    monkeypatch.setattr(AsyncMongoClient, "close", hang)
    monkeypatch.setattr(own_clients, "_CLOSE_SECONDS", 0.05)
    store = MongoSessionStore.from_uri(replica_set, driver="pymongo")
    await store.session("a").get_items()
    await asyncio.wait_for(store.close(), 30)
    goes_on.set()
    await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()}, timeout=30)
