"""Faults on purpose: the server's own fault points, and a connection that loses answers."""

from __future__ import annotations

import asyncio
import socket
import socketserver
import threading
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from pymongo.errors import OperationFailure
from pymongo.monitoring import CommandListener

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from typing_extensions import Self


@asynccontextmanager
async def failing(
    database: Any, *commands: str, times: int | str = 1, **how: Any
) -> AsyncIterator[None]:
    """Make ``commands`` fail ``times`` times, or always with ``"alwaysOn"``."""
    mode = {"times": times} if isinstance(times, int) else times
    data = {"failCommands": list(commands), **how}
    admin = database.client.admin
    await admin.command({"configureFailPoint": "failCommand", "mode": mode, "data": data})
    try:
        yield
    finally:
        await admin.command({"configureFailPoint": "failCommand", "mode": "off"})


async def interrupted_clear(database: Any, session: Any) -> None:
    """Clear ``session``; the command after its barrier, which removes the items, fails."""
    async with failing(database, "update", errorCode=13):
        with pytest.raises(OperationFailure, match="failCommand"):
            await session.clear_session()


class LossyProxy:
    """A proxy on loopback that drops the answer to the next matching command, and hangs up.

    The server has run the command then; the driver cannot know. It runs in threads of its own.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._armed: list[str] = []
        self._to_hold: list[str] = []
        self._held: list[bytes] = []
        self._connections: set[socket.socket] = set()
        self.lost = 0
        self.has_lost = threading.Event()

    def lose_answers_to(self, *commands: str) -> None:
        self._armed = list(commands)

    def hold_back(self, command: str) -> None:
        """Keep the next such message, and give no answer."""
        self._to_hold = [command]

    def let_it_arrive(self) -> bytes:
        """Send what was held back, and return the server's answer."""
        with socket.create_connection(("127.0.0.1", self._port)) as server:
            server.sendall(self._held.pop())
            return read_message(server)

    def __enter__(self) -> Self:
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                proxy._connections.add(self.request)
                proxy._relay(self.request)
                proxy._connections.discard(self.request)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self.uri = f"mongodb://{self.address}/?directConnection=true"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        for connection in list(self._connections):
            hang_up(connection)
        self._server.server_close()  # waits for their threads

    def _relay(self, client: socket.socket) -> None:
        doomed: set[bytes] = set()
        # Otherwise small messages wait for the acknowledgement of earlier ones.
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port)) as server:
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            answers = threading.Thread(target=self._relay_answers, args=(server, client, doomed))
            answers.start()
            while message := read_message(client):
                for command in list(self._armed):
                    # An OP_MSG: header, flags, section kind, document length, type of its first
                    # element, and the name of that: the command.
                    if message[26:].startswith(command.encode() + b"\0"):
                        with suppress(ValueError):  # another connection was faster
                            self._armed.remove(command)
                            doomed.add(message[4:8])
                        break
                if self._to_hold and message[26:].startswith(self._to_hold[0].encode() + b"\0"):
                    self._to_hold.clear()
                    self._held.append(message)
                    continue
                server.sendall(message)
            hang_up(server)
            answers.join()

    def _relay_answers(
        self, server: socket.socket, client: socket.socket, doomed: set[bytes]
    ) -> None:
        with suppress(OSError):
            while message := read_message(server):
                if message[8:12] in doomed:
                    self.lost += 1
                    self.has_lost.set()
                    break
                client.sendall(message)
        hang_up(client)


def hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def read_message(connection: socket.socket) -> bytes:
    with suppress(OSError), connection.makefile("rb", buffering=0) as stream:
        message = b""
        expected = 4
        while len(message) < expected:
            part = stream.read(expected - len(message))
            if not part:
                return b""
            message += part
            if len(message) == 4:
                expected = int.from_bytes(message, "little")
        return message
    return b""


class Commands(CommandListener):
    """The commands of a client, without connection monitoring.

    Those on the cards are left out, unless a test sets ``with_cards``: they come behind an append.
    """

    def __init__(self) -> None:
        self.with_cards = False
        self.started_events: list[Any] = []
        self.waiting: dict[str, tuple[asyncio.AbstractEventLoop, asyncio.Event]] = {}

    def started(self, event: Any) -> None:
        collection = event.command.get(event.command_name)
        if str(collection).endswith("_cards") and not self.with_cards:
            return
        self.started_events.append(event)
        if event.command_name in self.waiting:
            loop, seen = self.waiting[event.command_name]
            loop.call_soon_threadsafe(seen.set)

    def succeeded(self, event: Any) -> None:
        pass

    def failed(self, event: Any) -> None:
        pass

    def expect(self, command: str) -> asyncio.Event:
        """An event that is set when the next such command is sent."""
        seen = asyncio.Event()
        self.waiting[command] = asyncio.get_running_loop(), seen
        return seen

    async def wait_for(self, command: str, times: int) -> None:
        """Wait until the client has sent this command ``times`` times."""
        seen = self.expect(command)  # before the look, or one may be missed
        while self.names.count(command) < times:
            await asyncio.wait_for(seen.wait(), 60)  # so that a test that is right to fail ends
            seen = self.expect(command)

    @property
    def names(self) -> list[str]:
        return [event.command_name for event in self.started_events]

    def clear(self) -> None:
        self.started_events.clear()
