"""Backends: mongomock-motor, and both drivers on a standalone mongod and on a replica set."""

from __future__ import annotations

import asyncio
import gc
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import agents
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mongomock_motor import AsyncMongoMockClient

from mongo_sessions import MongoSessionStore
from mongo_sessions.cards import touches
from mongo_sessions.testing import EmbeddedMongo
from tests.support.clients import open_client
from tests.support.examples import PROFILE, examples
from tests.support.faults import Commands

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

settings.register_profile(
    PROFILE,
    deadline=None,
    derandomize=PROFILE == "default",
    print_blob=True,
    max_examples=examples(25),
)
settings.load_profile(PROFILE)

agents.set_tracing_disabled(True)  # it would go to a server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest test first: the rest runs beside it."""
    items.sort(key=lambda item: "test_soak" not in item.nodeid)


@given(st.none())
def register_generators(_: None) -> None:
    """With its first example, Hypothesis registers random generators: those that are not frozen."""


def pytest_collection_finish() -> None:
    """The garbage collector leaves modules and tests alone: else a tenth of the time is its own."""
    register_generators()
    gc.collect()
    gc.freeze()


def run_server(**options: Any) -> Iterator[str]:
    server = EmbeddedMongo(**options)
    uri = asyncio.run(server.__aenter__())
    try:
        yield uri
    finally:
        asyncio.run(server.__aexit__(None, None, None))


@pytest.fixture(scope="session")
def replica_set() -> Iterator[str]:
    """URI of a replica set of one member, with fault points."""
    yield from run_server(parameters={"enableTestCommands": 1})


@pytest.fixture(scope="session")
def standalone() -> Iterator[str]:
    yield from run_server(replica_set=False, parameters={"enableTestCommands": 1})


@asynccontextmanager
async def open_database(driver: str, uri: str, **options: Any) -> AsyncIterator[Any]:
    """A database of its own, through Motor or through PyMongo, dropped at the end."""
    name = f"test_{uuid.uuid4().hex}"
    async with open_client(driver, uri, **options) as client:
        yield client.get_database(name)
        await client.drop_database(name)


@pytest.fixture(autouse=True)
def cards_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cards are written by ``flush`` and ``close`` alone.

    Otherwise a write a second after an append could meet the fault of another command.
    """
    monkeypatch.setattr(touches, "_DELAY_SECONDS", 3_600.0)


@pytest.fixture(params=["motor", "pymongo"])
def driver(request) -> str:
    return request.param


@pytest.fixture
def sent() -> Commands:
    """What the client of ``database`` sends, if a test asks for it."""
    return Commands()


@pytest.fixture
async def database(request, driver: str, replica_set: str) -> AsyncIterator[Any]:
    """A database on the replica set, once through each driver."""
    listeners = [request.getfixturevalue("sent")] if "sent" in request.fixturenames else []
    async with open_database(driver, replica_set, event_listeners=listeners) as database:
        yield database


@pytest.fixture
def store(database: Any) -> MongoSessionStore:
    return MongoSessionStore(database)


@pytest.fixture(
    params=[
        "mongomock",
        "motor-standalone",
        "pymongo-standalone",
        "motor-replica_set",
        "pymongo-replica_set",
    ]
)
def backend(request) -> tuple[str, str]:
    driver, _, server = request.param.partition("-")
    return driver, request.getfixturevalue(server) if server else ""


@pytest.fixture
async def any_database(backend: tuple[str, str]) -> AsyncIterator[Any]:
    """A database on each backend that there is."""
    driver, uri = backend
    if driver == "mongomock":
        yield AsyncMongoMockClient().get_database("test")
    else:
        async with open_database(driver, uri) as database:
            yield database
