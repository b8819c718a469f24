"""The connections of a store: one per event loop that uses it."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from ..errors import StoreClosed
from ..policies.checks import check_seconds
from ..store_state import StoreState
from .connection import Connection

if TYPE_CHECKING:
    from ..options import Options
    from .clients import Clients


class Connections:
    """Makes the connection of an event loop at its first use, and forgets it after its end."""

    def __init__(self, clients: Clients, options: Options) -> None:
        self.state = StoreState(options)
        self._clients = clients
        self._by_loop: dict[asyncio.AbstractEventLoop, Connection] = {}
        self._lock = threading.Lock()  # event loops in several threads may share a store
        self._is_closed = False

    def __str__(self) -> str:
        return f"{self._clients}.{self.state.options.collection}"

    def current(self) -> Connection:
        """The connection of the running event loop.

        Raises:
            StoreClosed: the store was closed.
            WrongEventLoop: the store was given a client that serves another event loop.
        """
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._is_closed:
                raise StoreClosed("the session store is closed")
            connection = self._by_loop.get(loop)
            if connection is None:
                self._drop_closed_loops()
                connection = self._by_loop[loop] = Connection(self._clients.connect(), self.state)
            return connection

    def existing(self) -> Connection | None:
        """The connection of the running event loop, also of a closed store; None without one."""
        return self._by_loop.get(asyncio.get_running_loop())

    async def close(self, seconds: float) -> None:
        """Finish the background tasks of this event loop; close each client. Then refuse all use.

        Background tasks that have not ended within ``seconds`` are cancelled.
        """
        check_seconds("timeout", seconds)
        if connection := self.existing():
            await connection.finish(seconds)
        with self._lock:
            self._is_closed = True
            self._drop_closed_loops()
            connections = list(self._by_loop.values())
        for connection in connections:
            await connection.client.close()

    def _drop_closed_loops(self) -> None:
        for loop in [loop for loop in self._by_loop if loop.is_closed()]:
            self._by_loop.pop(loop).client.drop()
