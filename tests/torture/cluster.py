"""Three real mongods, each behind a proxy that can lose answers, and how to hurt them."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from mongo_sessions.testing import EmbeddedMongo
from tests.support.faults import LossyProxy

from .schedule import LOSABLE, LOST_ANSWER, REPLICA_SET

if TYPE_CHECKING:
    from typing_extensions import Self

    from mongo_sessions.testing.mongod import Mongod

    from .schedule import Fault

_PARAMETERS = {
    "enableTestCommands": 1,
    # A client that is killed leaves its transaction open, and others wait for its places. A
    # minute, as it is by default, would be all of a short round.
    "transactionLifetimeLimitSeconds": 5,
}
_HEALTHY = ["PRIMARY", "SECONDARY", "SECONDARY"]
_POLL_SECONDS, _PATIENCE_SECONDS, _UNTIL_SECONDS = 0.1, 10.0, 60.0


class Cluster:
    """A replica set whose members know each other, and are known to clients, by their proxies."""

    kinds = REPLICA_SET
    has_transactions = True

    def _embedded(self) -> EmbeddedMongo:
        return EmbeddedMongo(members=3, parameters=_PARAMETERS)

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        server = self._embedded()
        try:
            await self._stack.enter_async_context(server)
            self.members = server.members
            self._proxies = [
                self._stack.enter_context(LossyProxy(int(member.address.split(":")[1])))
                for member in self.members
            ]
            self._clients = [
                await self._stack.enter_async_context(
                    AsyncMongoClient[dict[str, Any]](
                        f"mongodb://{member.address}/?directConnection=true",
                        serverSelectionTimeoutMS=1_000,
                        socketTimeoutMS=5_000,
                    )
                )
                for member in self.members
            ]
            await self._go_behind_proxies()
            await self.until_healthy()
            self._first_term = await self._term()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def uri(self) -> str:
        addresses = ",".join(proxy.address for proxy in self._proxies)
        return f"mongodb://{addresses}/?replicaSet=embedded"

    async def elections(self) -> int:
        """How often a primary was elected since the beginning."""
        return await self._term() - self._first_term

    async def suffer(self, fault: Fault) -> bool:
        """Do ``fault``, and mend what lasts; False if there is no primary to do it to."""
        number = await self._primary(_PATIENCE_SECONDS)
        if fault.kind == "secondary frozen":
            others = [m for n, m in enumerate(self.members) if n != number and m.is_running]
            await self._freeze(others[fault.target % len(others)], fault.seconds)
            return True
        if number is None:
            return False
        member, admin = self.members[number], self._clients[number].admin
        if fault.kind in ("primary killed", "server killed"):
            member.kill()
            await asyncio.sleep(fault.seconds)
            member.start()
        elif fault.kind in ("primary frozen", "server frozen"):
            # Long enough for the others to miss it.
            await self._freeze(member, fault.seconds + 3)
        elif fault.kind == "primary steps down":
            with suppress(PyMongoError):  # it hangs up
                await admin.command("replSetStepDown", 10, secondaryCatchUpPeriodSecs=2, force=True)
        elif fault.kind == LOST_ANSWER:
            self._proxies[number].lose_answers_to(*LOSABLE * fault.times)
        else:
            data = {"failCommands": [fault.command], **fault.how}
            mode = {"times": fault.times}
            try:
                await admin.command(
                    {"configureFailPoint": "failCommand", "mode": mode, "data": data}
                )
            except PyMongoError:
                return False
        return True

    async def heal(self) -> None:
        """End all faults, and wait until all members are well."""
        for member, proxy in zip(self.members, self._proxies, strict=True):
            proxy.lose_answers_to()
            member.resume()
            member.start()
        for client in self._clients:
            off = {"configureFailPoint": "failCommand", "mode": "off"}
            await until(lambda client=client, off=off: client.admin.command(off))
        await self.until_healthy()

    async def until_healthy(self) -> None:
        async def states() -> bool:
            members = (await self._clients[0].admin.command("replSetGetStatus"))["members"]
            return sorted(member["stateStr"] for member in members) == _HEALTHY

        await until(states)

    async def _freeze(self, member: Mongod, seconds: float) -> None:
        member.pause()
        await asyncio.sleep(seconds)
        member.resume()

    async def _primary(self, seconds: float = 0) -> int | None:
        """Its number; an election may be under way, so it is waited for."""
        deadline = time.monotonic() + seconds
        while True:
            for number, client in enumerate(self._clients):
                with suppress(PyMongoError):
                    if (await client.admin.command("hello"))["isWritablePrimary"]:
                        return number
            if time.monotonic() >= deadline:
                return None
            await asyncio.sleep(_POLL_SECONDS)

    async def _term(self) -> int:
        return int((await self._clients[0].admin.command("replSetGetStatus"))["term"])

    async def _go_behind_proxies(self) -> None:
        primary = self._clients[await self._primary() or 0].admin
        configuration = (await primary.command("replSetGetConfig"))["config"]
        for member, proxy in zip(configuration["members"], self._proxies, strict=True):
            member["host"] = proxy.address
        configuration["version"] += 1
        await primary.command("replSetReconfig", configuration, force=True)


async def until(command: Any) -> None:
    """Run ``command`` until it gives something that is true, for a minute at most."""
    deadline = time.monotonic() + _UNTIL_SECONDS
    while True:
        with suppress(PyMongoError):
            if await command():
                return
        if time.monotonic() > deadline:
            raise TimeoutError("the members do not get well again")
        await asyncio.sleep(_POLL_SECONDS)
