"""Elections: no read is rolled back, and none misses an acknowledged write."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from bson import ObjectId
from pymongo import AsyncMongoClient, WriteConcern
from pymongo.errors import AutoReconnect, OperationFailure

from mongo_sessions import MongoSessionStore
from mongo_sessions.log.server import lasting, retries, transactions
from mongo_sessions.log.server.lasting import LastingReads
from mongo_sessions.testing import EmbeddedMongo
from tests.support.clients import open_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mongo_sessions.testing.mongod import Mongod
    from tests.support.faults import Commands


def user(text: Any) -> dict:
    return {"role": "user", "content": str(text)}


ITEMS = [user(n) for n in range(150)]  # more than one chunk of a read that goes forward


# The third member did not answer in time, or it has what the next one does not have yet.
_ELECTION_FAILED = 125
_SECONDS, _PAUSE = 30.0, 0.05


class ReplicaSet:
    """Three members with fault points: the primary, the next one, and a third that votes."""

    def __init__(self, server: EmbeddedMongo, uri: str, primary: str) -> None:
        self.uri = uri
        (self.primary,) = [member for member in server.members if member.address == primary]
        self.next, self.third = [member for member in server.members if member != self.primary]

    async def set_fault_point(self, name: str, mode: str, *members: Mongod) -> None:
        for member in members:
            async with direct(member) as client:
                await client.admin.command({"configureFailPoint": name, "mode": mode})

    async def stand_alone(self) -> None:
        """Later writes to the primary are replicated to no other member.

        The third is stopped first: what is written in between must not make it refuse its vote.
        """
        await self.set_fault_point("stopReplProducer", "alwaysOn", self.third, self.next)

    async def elect_without_primary(self) -> None:
        """Writes that only the primary has are rolled back."""
        await self.elect_next()
        await self.set_fault_point("stopReplProducer", "off", self.next, self.third)

    async def elect_next(self) -> None:
        """The primary fails, and the next one takes its place."""
        await asyncio.to_thread(self.primary.kill)
        deadline = time.monotonic() + _SECONDS
        async with direct(self.next) as client:
            while time.monotonic() < deadline:
                try:
                    await client.admin.command("replSetStepUp")
                except OperationFailure as error:
                    if error.code != _ELECTION_FAILED:
                        raise
                    await asyncio.sleep(_PAUSE)
                else:
                    return
        raise AssertionError("no member was elected")


@asynccontextmanager
async def direct(member: Mongod) -> AsyncIterator[Any]:
    async with AsyncMongoClient(f"mongodb://{member.address}/?directConnection=true") as client:
        yield client


@pytest.fixture
async def members() -> AsyncIterator[ReplicaSet]:
    server = EmbeddedMongo(members=3, parameters={"enableTestCommands": 1})
    async with server as uri, AsyncMongoClient(uri) as client:
        yield ReplicaSet(server, uri, (await client.admin.command("hello"))["primary"])


@pytest.fixture
async def database(driver: str, members: ReplicaSet, sent: Commands) -> AsyncIterator[Any]:
    async with open_client(driver, members.uri, event_listeners=[sent]) as client:
        yield client.get_database("test")  # it goes with the members


def unacknowledged(database: Any) -> Any:
    return database["session_items"].with_options(write_concern=WriteConcern(1))


async def append_alone(database: Any, session_id: str) -> None:
    """Append a second item as a writer that dies before a majority has it."""
    collection = unacknowledged(database)
    first = await collection.find_one({"session_id": session_id, "seq": 1})
    await collection.insert_one({**first, "_id": ObjectId(), "seq": 2, "item": user("taken back")})


async def contents(session: Any, after_seq: int = 0) -> list[tuple[int, str]]:
    return [(e.seq, e.item["content"]) async for e in session.entries(after_seq=after_seq)]


async def test_a_write_that_an_election_rolls_back_is_never_read(database, members):
    """An item and a barrier are on the primary alone, when it fails."""
    store, other = MongoSessionStore(database), MongoSessionStore(database)
    early, late = store.session("added"), other.session("added")
    cleared = store.session("cleared")
    await early.add_items(ITEMS[:1])
    await cleared.add_items(ITEMS)
    assert await late.get_items() == ITEMS[:1]
    await members.stand_alone()
    await append_alone(database, "added")
    barrier = {"$set": {"barrier": ObjectId(), "summary": None}, "$unset": {"item": ""}}
    newest = {"session_id": "cleared", "seq": len(ITEMS)}
    await unacknowledged(database).update_one(newest, barrier)
    assert await contents(late) == [(1, "0")]
    assert await late.get_items() == ITEMS[:1]
    assert len(await contents(cleared)) == len(ITEMS)
    listed = {info.session_id: info.items for info in await store.list_sessions()}
    assert listed == {"added": 1, "cleared": len(ITEMS)}
    await members.elect_without_primary()
    await late.add_items([user("after what it saw")])
    await early.add_items([user("after that")])
    assert await contents(early, after_seq=1) == [(2, "after what it saw"), (3, "after that")]
    await store._connections.current().cleaning.finish()
    assert await cleared.get_items() == ITEMS


async def test_an_append_during_an_election_leaves_no_place_out(database, members, sent):
    """It reads the newest place, and its insert is repeated by the driver on the new primary."""
    early, late = (MongoSessionStore(database).session("a") for _ in range(2))
    await early.add_items(ITEMS[:1])
    assert await late.get_items(limit=1) == ITEMS[:1]
    late._state.forget()
    await members.stand_alone()
    await append_alone(database, "a")
    sent.clear()
    adding = asyncio.ensure_future(late.add_items([user("earlier")]))
    await sent.wait_for("insert", times=1)
    await members.elect_without_primary()
    await adding
    await early.add_items([user("later")])
    assert await contents(late) == [(1, "0"), (2, "earlier"), (3, "later")]


async def test_an_append_returns_only_after_majority_acknowledgement(
    database, members, sent, monkeypatch
):
    monkeypatch.setattr(retries.Backoff.__init__, "__defaults__", (0.5,))
    session = MongoSessionStore(database).session("a")
    await session.add_items(ITEMS[:1])
    assert await session.get_items() == ITEMS[:1]
    await members.stand_alone()
    sent.clear()
    adding = asyncio.ensure_future(session.add_items(ITEMS[1:2]))
    again = asyncio.ensure_future(sent.wait_for("insert", times=3))  # the driver repeats the first
    await asyncio.wait({adding, again}, return_when=asyncio.FIRST_COMPLETED)
    again.cancel()
    await members.elect_without_primary()
    await adding
    assert await contents(session) == [(1, "0"), (2, "1")]


async def test_a_recount_does_not_build_on_a_rolled_back_write(database, members, sent):
    recounter = MongoSessionStore(database, token_counter=lambda item: 7)
    session, fresh = (MongoSessionStore(database).session("a") for _ in range(2))
    await session.add_items(ITEMS[:1])
    assert [info.items for info in await recounter.list_sessions()] == [1]
    await members.stand_alone()
    await append_alone(database, "a")
    sent.clear()
    recounting = asyncio.ensure_future(recounter.recount())
    await sent.wait_for("update", times=1)  # it has read what it counts
    await members.elect_without_primary()
    assert await recounting == 1
    await fresh.add_items([user("earlier")])
    await session.add_items([user("later")])
    assert [content for _, content in await contents(fresh)] == ["0", "earlier", "later"]


async def test_an_acknowledged_write_is_read_right_after_an_election(
    database, members, sent, monkeypatch
):
    """The new primary has it, and does not know yet that a majority has it, too.

    Also what a replacement has done whose answer was lost.
    """
    store = MongoSessionStore(database)
    reader, writer, replaced = (store.session(name) for name in ("read", "written", "replaced"))
    for session in (reader, writer, replaced):
        await session.add_items(ITEMS[:1])
    snapshot = await replaced._get_compaction_snapshot(1)
    await members.set_fault_point("disableSnapshotting", "alwaysOn", members.next)
    for session in (reader, writer):
        await session.add_items(ITEMS[1:2])
    is_elected, is_replaced = asyncio.Event(), asyncio.Event()

    in_transaction = transactions.in_transaction

    async def without_its_answer(*arguments: Any) -> Any:
        result = await in_transaction(*arguments)
        if not is_elected.is_set():
            is_replaced.set()
            await is_elected.wait()
            raise AutoReconnect("lost")
        return result

    monkeypatch.setattr(transactions, "in_transaction", without_its_answer)
    replacing = asyncio.ensure_future(snapshot.replace_suffix(0, [user("instead")]))
    await is_replaced.wait()
    await members.elect_next()
    await database.command("ping")  # the client knows the new primary now
    sent.clear()
    is_elected.set()
    looks = [
        asyncio.ensure_future(look)
        for look in (
            replacing,
            reader.get_items(),
            contents(reader),
            store.list_sessions(),
            store.session("written").add_items(ITEMS[2:3]),  # numbered after what it reads
        )
    ]
    await sent.wait_for("find", times=1)  # the others wait for it
    await members.set_fault_point("disableSnapshotting", "off", members.next)
    await database["other"].insert_one({})  # the majority commit point is evaluated again
    was_replaced, view, entries, listed, _ = await asyncio.gather(*looks)
    assert was_replaced
    assert await replaced.get_items() == [user("instead")]
    assert view == ITEMS[:2]
    assert entries == [(1, "0"), (2, "1")]
    assert {info.session_id: info.items for info in listed}["read"] == 2
    assert await contents(writer) == [(1, "0"), (2, "1"), (3, "2")]


class Reads:
    """The read concerns of reads during elections."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, has_elections: bool = True) -> None:
        self.lasting = LastingReads(
            "majority", "linearizable", has_elections=has_elections, retries=None
        )
        self.election: int | None = None
        monkeypatch.setattr(self.lasting, "_election", lambda: self.election)

    async def read(self, *elections: int | None) -> list[str]:
        """The read concerns of one read: the election before it, and after each command."""
        self.election, *after = elections
        used: list[str] = []

        async def command(read_concern: str) -> int:
            used.append(read_concern)
            self.election = after[len(used) - 1]
            return len(used)

        assert await self.lasting.read(command) == len(used), "it returns what was read last"
        return used


async def test_a_read_waits_for_a_majority_until_one_has_since_the_election(monkeypatch):
    reads = Reads(monkeypatch)
    assert await reads.read(1, 1) == ["linearizable"]
    assert await reads.read(1, 1) == ["majority"]
    assert await reads.read(2, 2) == ["linearizable"]
    assert await reads.read(2, 2) == ["majority"]


async def test_a_read_is_repeated_after_an_election(monkeypatch):
    reads = Reads(monkeypatch)
    await reads.read(1, 1)
    assert await reads.read(1, 2, 2) == ["majority", "linearizable"]
    assert await reads.read(2, 2) == ["majority"]
    assert await reads.read(2, None, 3) == ["majority", "linearizable"]
    assert await reads.read(3, 4) == ["linearizable"]
    assert await reads.read(4, 4) == ["linearizable"], "the last one may be of the old primary"
    assert await reads.read(4, 4) == ["majority"]


async def test_a_moment_without_a_primary_is_no_election(monkeypatch):
    reads = Reads(monkeypatch)
    await reads.read(1, 1)
    assert await reads.read(None, None) == ["linearizable"]
    assert await reads.read(1, 1) == ["majority"]


@pytest.mark.parametrize("fails", [False, True])
async def test_concurrent_reads_wait_for_one_linearizable_read(monkeypatch, fails):
    """500 turns that begin at once do not wait for a majority 500 times."""
    reads = Reads(monkeypatch)
    reads.election = 1
    used: list[str] = []

    async def command(read_concern: str) -> None:
        used.append(read_concern)
        await asyncio.sleep(0)
        if fails and len(used) == 1:
            raise AutoReconnect

    reading = (reads.lasting.read(command) for _ in range(10))
    outcomes = await asyncio.gather(*reading, return_exceptions=True)
    if fails:
        assert isinstance(outcomes[0], AutoReconnect)
        assert used == ["linearizable"] * 10, "each finds out by itself"
    else:
        assert used == ["linearizable"] + ["majority"] * 9


async def test_a_read_does_not_wait_long_for_the_read_of_another_task(monkeypatch):
    monkeypatch.setattr(lasting, "_WAIT_SECONDS", 0.01)
    reads = Reads(monkeypatch)
    reads.election = 1
    used: list[str] = []

    async def hang(read_concern: str) -> None:
        used.append(read_concern)
        await asyncio.Event().wait()

    async def answer(read_concern: str) -> str:
        used.append(read_concern)
        return "read"

    hanging = asyncio.ensure_future(reads.lasting.read(hang))
    await asyncio.sleep(0)
    assert await asyncio.wait_for(reads.lasting.read(answer), timeout=30) == "read"
    assert used == ["linearizable", "linearizable"]
    hanging.cancel()
    await asyncio.wait({hanging})


async def test_where_there_are_no_elections_no_read_waits(monkeypatch):
    reads = Reads(monkeypatch, has_elections=False)
    assert await reads.read(None, None) == ["majority"]
    assert await reads.read(None, None) == ["majority"]
