"""A real mongod without a replica set, behind a proxy that can lose answers."""

from __future__ import annotations

from mongo_sessions.testing import EmbeddedMongo

from .cluster import Cluster, until
from .schedule import STANDALONE


class Standalone(Cluster):
    """One server, which is killed and started again with the data it had."""

    kinds = STANDALONE
    has_transactions = False

    def _embedded(self) -> EmbeddedMongo:
        return EmbeddedMongo(replica_set=False, parameters={"enableTestCommands": 1})

    @property
    def uri(self) -> str:
        return self._proxies[0].uri

    async def until_healthy(self) -> None:
        await until(lambda: self._clients[0].admin.command("ping"))

    async def _term(self) -> int:
        return 0

    async def _go_behind_proxies(self) -> None:
        """Only the clients know the server."""
