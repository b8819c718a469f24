"""A round: servers, writers and faults, for a time; then the check."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymongo import AsyncMongoClient

from . import journal
from .checker import Findings, check
from .client import DATABASE, Orders
from .cluster import Cluster
from .schedule import schedule
from .standalone import Standalone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .journal import Deleted, History
    from .schedule import Fault

_CLIENTS = ("motor", "pymongo", "motor", "pymongo")
_WRITERS = 5
# After the last fault, every operation ends: retry_for is 30 seconds, and a claim lasts for 12.
_END_SECONDS = 60.0
_REPORT_SECONDS = 1.0


@dataclass
class Round:
    """The result of a round."""

    seed: int
    seconds: float
    servers: Cluster = field(default_factory=Cluster)
    history: History = field(default_factory=journal.History)
    findings: Findings = field(default_factory=Findings)
    faults: Counter[str] = field(default_factory=Counter)
    elections: int = 0
    errors: list[str] = field(default_factory=list)
    """The standard error of the clients: mainly failed operations."""

    @property
    def is_clean(self) -> bool:
        return self.findings.is_clean and not self.history.problems

    @property
    def shortcomings(self) -> list[str]:
        """Why a round proves too little: it did not hurt enough, or hardly anything was written."""
        kinds, has_transactions = self.servers.kinds, self.servers.has_transactions
        enough = {
            "elections": (self.elections, self.seconds / 20 * has_transactions),
            "batches acknowledged": (_acknowledged(self.history.added.values()), self.seconds),
            "pops": (_acknowledged(self.history.popped), self.seconds / 10),
            "clears": (_acknowledged(self.history.cleared), 1),
            "replacements": (_acknowledged(self.history.replaced), has_transactions),
            "rewinds": (_acknowledged(self.history.rewound), self.seconds // 40),
            "forks": (_acknowledged(self.history.forked), self.seconds // 40 * has_transactions),
            "redactions": (
                _acknowledged(self.history.redacted),
                self.seconds // 40 * has_transactions,
            ),
            "deletions": (_acknowledged(_of_one(self.history)), self.seconds // 40),
            "deletions of an owner": (_acknowledged(_of_owner(self.history)), 1),
            "items polled": (self.findings.seen, self.seconds),
            "summaries": (self.findings.summaries, 1),
            **{kind: (self.faults[kind], 1) for kind in kinds.all},
        }
        return [
            f"only {number} x {what}" for what, (number, least) in enough.items() if number < least
        ]


def _of_one(history: History) -> list[Deleted]:
    return [deleted for deleted in history.deleted if deleted.owner is None]


def _of_owner(history: History) -> list[Deleted]:
    return [deleted for deleted in history.deleted if deleted.owner is not None]


def _acknowledged(operations: Iterable[Any]) -> int:
    return sum(operation.outcome == "acknowledged" for operation in operations)


async def run(
    seed: int,
    seconds: float,
    progress: Callable[[float, Counter[str]], Any],
    *,
    standalone: bool = False,
) -> Round:
    """Run one, and call ``progress`` with the seconds gone, and the faults so far."""
    result = Round(seed, seconds, Standalone() if standalone else Cluster())
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        async with result.servers as cluster:
            clients = Clients(seed, cluster.uri, Path(folder))
            try:
                await _hurt(cluster, clients, result, progress)
                await cluster.heal()
                await clients.end()
            finally:
                clients.kill_all()
            result.elections = await cluster.elections()
            documents, owners = await _stored(cluster.uri)
        result.history = journal.read(Path(folder).glob("*.journal"))
        result.errors = [
            line for file in Path(folder).glob("*.err") for line in file.read_text().splitlines()
        ]
    result.findings = check(
        result.history, documents, owners, has_transactions=result.servers.has_transactions
    )
    return result


async def _hurt(
    cluster: Cluster,
    clients: Clients,
    result: Round,
    progress: Callable[[float, Counter[str]], Any],
) -> None:
    begin = time.monotonic()
    going_on: set[asyncio.Task[None]] = set()

    async def suffer(fault: Fault) -> None:
        if fault.kind == "client killed":
            clients.replace(fault.target)
            result.faults[fault.kind] += 1
        elif await cluster.suffer(fault):
            result.faults[fault.kind] += 1

    async def until(at: float) -> None:
        while (left := begin + at - time.monotonic()) > 0:
            progress(time.monotonic() - begin, result.faults)
            await asyncio.sleep(min(left, _REPORT_SECONDS))

    for fault in schedule(result.seed, result.seconds, cluster.kinds):
        await until(fault.at)
        going_on.add(asyncio.create_task(suffer(fault)))
    await until(result.seconds)
    await asyncio.gather(*going_on)


async def _stored(uri: str) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """All that is stored, raw, as a majority of the members has it; and the owners of sessions."""
    async with AsyncMongoClient[dict[str, Any]](uri, readConcernLevel="majority") as client:
        documents = await client[DATABASE]["session_items"].find().to_list()
        cards = await client[DATABASE]["session_items_cards"].find({"owner": {"$gt": ""}}).to_list()
    return documents, {card["_id"]: card["owner"] for card in cards if "active_at" in card}


class Clients:
    """The client processes. One that is killed is replaced at once."""

    def __init__(self, seed: int, uri: str, folder: Path) -> None:
        self._seed = seed
        self._uri = uri
        self._folder = folder
        self._lives = [0] * len(_CLIENTS)
        self._processes = [self._start(slot) for slot in range(len(_CLIENTS))]

    def replace(self, target: int) -> None:
        slot = target % len(_CLIENTS)
        _kill(self._processes[slot])
        self._processes[slot] = self._start(slot)

    async def end(self) -> None:
        """Let all end what they are at."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            code = await asyncio.to_thread(process.wait, _END_SECONDS)
            # One that does not listen yet has not begun.
            if code not in (0, -signal.SIGTERM):
                raise RuntimeError(f"a client ended with {code}: {process.args}")

    def kill_all(self) -> None:
        for process in self._processes:
            _kill(process)

    def _start(self, slot: int) -> subprocess.Popen[bytes]:
        self._lives[slot] += 1
        name = f"c{slot}.{self._lives[slot]}"
        orders = Orders(
            name=name,
            slot=slot,
            driver=_CLIENTS[slot],
            uri=self._uri,
            seed=str(self._seed),
            journal=str(self._folder / f"{name}.journal"),
            writers=_WRITERS,
        )
        root = str(Path(__file__).parents[2])
        with (self._folder / f"{name}.err").open("wb") as errors:
            return subprocess.Popen(
                orders.as_arguments(),
                cwd=root,
                stdin=subprocess.PIPE,  # ends when this process does
                stderr=errors,
                env={**os.environ, "PYTHONPATH": root},
            )


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()
