"""The schedule of faults, drawn from a seed: the same seed gives the same faults."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

# What `failCommand` is told. 10107: not primary; 64: a write concern failed, after the write;
# 50: out of time, so a commit's result is unknown; 251: the server forgot the transaction.
_WRITES = ("update", "insert", "findAndModify", "commitTransaction")
_FAILURES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "connection closed before the command": (("find", *_WRITES), {"closeConnection": True}),
    "not primary": (("find", *_WRITES), {"errorCode": 10107}),
    "write concern error": (
        _WRITES,
        {"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}},
    ),
    "unknown result of a commit": (
        ("commitTransaction",),
        {"errorCode": 50, "errorLabels": ["UnknownTransactionCommitResult"]},
    ),
    "transaction undone": (
        ("update", "insert"),
        {"errorCode": 251, "errorLabels": ["TransientTransactionError"]},
    ),
    "slow answer": (("find", *_WRITES), {"blockConnection": True}),
}
LOST_ANSWER = "connection closed after the command"
LOSABLE = _WRITES
"""One such fault loses answers to each of these."""
ELECTIONS = ("primary killed", "primary steps down", "primary frozen")
OUTAGES = ("server killed", "server frozen")


@dataclass(frozen=True)
class Kinds:
    """The faults of a kind of server: its outages, in turn, and small faults."""

    outages: tuple[str, ...]
    small: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.outages, *self.small)


REPLICA_SET = Kinds(ELECTIONS, ("secondary frozen", "client killed", LOST_ANSWER, *_FAILURES))
STANDALONE = Kinds(
    OUTAGES,
    ("client killed", LOST_ANSWER, "connection closed before the command", "slow answer"),
)

_FIRST_SECONDS = 4.0
_SECONDS_PER_ELECTION = 11.0
_SECONDS_PER_FAULT = 0.6
_QUIET_SECONDS = 5.0  # at the end, without a new fault


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        at: Seconds from the beginning.
        kind: One of its server's ``Kinds``.
        seconds: Duration, for faults that have one.
        target: Which member or client, of the ones that exist by then.
        times: How many commands of each kind fail or lose their answers.
        command: Which one fails.
        how: It does: for ``failCommand``.
    """

    at: float
    kind: str
    seconds: float = 0.0
    target: int = 0
    times: int = 1
    command: str = ""
    how: dict[str, Any] = field(default_factory=dict)


def schedule(seed: int, seconds: float, kinds: Kinds = REPLICA_SET) -> list[Fault]:
    """The faults of a round, in order. Each kind comes in turn."""
    dice = random.Random(seed)
    faults: list[Fault] = []
    turn = dice.randrange(len(kinds.outages))
    at = _FIRST_SECONDS
    while at < seconds - _QUIET_SECONDS:
        kind = kinds.outages[(turn + len(faults)) % len(kinds.outages)]
        faults.append(Fault(round(at, 3), kind, seconds=dice.uniform(2, 5)))
        at += _SECONDS_PER_ELECTION + dice.uniform(-2, 2)
    at, turn = 1.0, dice.randrange(len(_WRITES))
    small = list(kinds.small)
    while at < seconds - _QUIET_SECONDS:
        if not small:
            small, turn = list(kinds.small), turn + 1
        kind = small.pop(dice.randrange(len(small)))
        faults.append(_small_fault(dice, round(at, 3), kind, turn))
        at += dice.uniform(0, 2 * _SECONDS_PER_FAULT)
    return sorted(faults, key=lambda fault: fault.at)


def _small_fault(dice: random.Random, at: float, kind: str, turn: int) -> Fault:
    """The commands that fail come in turn, too: pops are few, and their faults would be chance."""
    target, seconds, times = dice.randrange(1_000), dice.uniform(1, 4), dice.randint(1, 5)
    if kind == LOST_ANSWER:
        return Fault(at, kind, times=times)
    if kind not in _FAILURES:
        return Fault(at, kind, seconds=seconds, target=target)
    commands, how = _FAILURES[kind]
    if kind == "slow answer":
        how = {**how, "blockTimeMS": dice.randrange(100, 1_500)}
    return Fault(at, kind, times=times, command=commands[turn % len(commands)], how=how)
