"""The checks of `doctor`, in order: the later ones need what the earlier ones look at."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pymongo.errors import ExecutionTimeout, OperationFailure

from ..connection.connections import Connections
from ..connection.own_clients import OwnClients
from ..errors import ForeignCollection
from ..log.server.retries import UNAUTHORIZED
from ..log.server.server import explaining
from ..options import Options
from .collection_checks import (
    card_indexes,
    card_rights,
    change_streams,
    failing_folds,
    indexes,
    left_overs,
    rights,
)
from .failures import command_error, without_secrets
from .findings import NOTE, OK, PROBLEM, UNCHECKED, Finding
from .target import DATABASE, wrong_usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from ..connection.connection import Connection
    from .target import Target

    Check = Callable[[], Awaitable[list[Finding]]]

_OLDEST_SERVER = (4, 4)
_CLOCK_SECONDS = 2.0


class Checkup:
    """Looks at server, user and collection. It writes nothing."""

    def __init__(self, target: Target, seconds: float, sessions: int) -> None:
        if not target.uri:
            raise wrong_usage("which server? Set MONGODB_URI, or pass --uri mongodb://host:27017")
        self._target = target
        self._seconds = seconds
        self._sessions = sessions
        options = Options(
            collection=target.collection, create_indexes=False, retry_for=target.seconds
        )
        clients = OwnClients(target.uri, target.database, "pymongo")
        self._connections = Connections(clients, options)
        state = self._connections.state
        state.is_read_only = True
        state.indexes_were_checked = True  # a check of its own tells about them

    async def findings(self) -> AsyncIterator[Finding]:
        """The result of each check. Without a server, only that of the first."""
        try:
            connection = self._connections.current()
            reached = await self._checked("connection", lambda: self._server(connection))
            for finding in reached:
                yield finding
            if reached[0].status == PROBLEM:
                return
            for name, check in self._checks(connection):
                for finding in await self._checked(name, check):
                    yield finding
        finally:
            await self._connections.close(5.0)

    def _checks(self, connection: Connection) -> list[tuple[str, Check]]:
        seconds = self._seconds
        return [
            ("settings", lambda: self._settings(connection)),
            ("clock", lambda: self._clock(connection)),
            ("rights", lambda: rights(connection)),
            ("card rights", lambda: card_rights(connection)),
            ("watch", lambda: change_streams(connection)),
            ("collection", lambda: self._collection(connection)),
            ("indexes", lambda: indexes(connection, self._target)),
            ("card indexes", lambda: card_indexes(connection, self._target)),
            ("leftovers", lambda: left_overs(connection, seconds)),
            ("summaries", lambda: failing_folds(connection, self._sessions, seconds)),
        ]

    async def _checked(self, name: str, check: Check) -> list[Finding]:
        """The result of a check; an error is one, too."""
        try:
            return await explaining(check)()
        except ForeignCollection as error:
            advice = "pass --collection, and give the store of the application another one, too"
            return [Finding(name, PROBLEM, str(error).partition(" Nothing was")[0], advice)]
        except ExecutionTimeout:
            text = f"it took longer than {self._seconds:g} s"
            return [Finding(name, UNCHECKED, text, "allow more time: --seconds")]
        except OperationFailure as error:
            if error.code == UNAUTHORIZED:
                advice = "ask a user with the role readWrite on this database to run it"
                return [Finding(name, UNCHECKED, "the user of the URI may not look", advice)]
            return [self._failed(name, error)]
        except Exception as error:
            told = command_error(error, self._target)
            if told is None or told.code != DATABASE:
                raise
            return [self._failed(name, error)]

    def _failed(self, name: str, error: Exception) -> Finding:
        text = " ".join(str(error).partition(", full error: ")[0].split())
        found, _, advice = without_secrets(text, self._target.uri).partition(". ")
        return Finding(name, PROBLEM, found, advice)

    async def _server(self, connection: Connection) -> list[Finding]:
        database = connection.database
        await connection.log()  # with retries and advice
        clock = await connection.diagnosis.clock()
        hello = await database.command("hello")
        info = await database.client.server_info()
        found = [
            Finding(
                "connection", OK, f"the primary answers in {clock.round_trip_seconds * 1000:.0f} ms"
            ),
            _versions(info["version"], tuple(info["versionArray"][:2])),
        ]
        if hello.get("msg") == "isdbgrid":
            return [*found, Finding("deployment", OK, "a sharded cluster")]
        if "setName" not in hello:
            text = "a standalone server: no transactions, no change streams, no failover"
            advice = "make it a replica set of one member at least: a batch is atomic then"
            return [*found, Finding("deployment", NOTE, text, advice)]
        members = len(hello.get("hosts", []))
        if members > 1:
            text = f"replica set {hello['setName']} of {members} members"
            return [*found, Finding("deployment", OK, text)]
        text = f"replica set {hello['setName']} of one member: no failover"
        return [*found, Finding("deployment", NOTE, text, "three members survive the loss of one")]

    async def _settings(self, connection: Connection) -> list[Finding]:
        """What the URI asks for, and the library overrides or depends on."""
        client: Any = connection.database.client
        found: list[Finding] = []
        if not client.options.retry_writes:
            text = "retryWrites=false in the URI: after a lost answer, a second item may be popped"
            found.append(Finding("settings", PROBLEM, text, "remove it from the URI"))
        concern = client.write_concern.document
        if concern and concern.get("w") != "majority":
            text = f"the URI asks for the write concern {concern}: writes use w=majority anyway"
            found.append(Finding("settings", NOTE, text))
        return found or [Finding("settings", OK, "writes use w=majority, reads the primary")]

    async def _clock(self, connection: Connection) -> list[Finding]:
        clock = await connection.diagnosis.clock()
        ahead = clock.ahead_seconds
        side = "ahead of" if ahead > 0 else "behind"
        text = f"this machine is {abs(ahead):.1f} s {side} the server"
        if abs(ahead) - clock.round_trip_seconds / 2 <= _CLOCK_SECONDS:
            return [Finding("clock", OK, text)]
        advice = "set both by NTP: dates in conversations and logs are misleading until then"
        return [Finding("clock", PROBLEM, text, advice)]

    async def _collection(self, connection: Connection) -> list[Finding]:
        await connection.indexes.check_one_document()
        size = await connection.diagnosis.size()
        if not size.documents:
            text = f"{self._target} is empty"
            return [Finding("collection", NOTE, text, "is it the right --database, --collection?")]
        text = f"{self._target}: {size.documents:,} documents, {size.bytes:,} bytes"
        return [Finding("collection", OK, text)]


def _versions(server: str, numbers: tuple[int, ...]) -> Finding:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("mongo-sessions", "pymongo"))
    text = f"MongoDB {server}, {libraries}, Python {platform.python_version()}"
    if numbers < _OLDEST_SERVER:
        return Finding("versions", PROBLEM, text, "upgrade the server: 4.4 is the oldest possible")
    return Finding("versions", OK, text)
