"""Attempts and outcomes of the clients, written before and after each operation.

One JSON line each, in a file for each client process, so that a client that is killed leaves the
operation that it was at with a beginning and no end. Times are of the clock that all processes of a
machine share.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from .marks import Mark, Version

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True)
class Added:
    """An attempt to add a batch."""

    batch: str
    session: str
    size: int
    begin: float
    end: float = math.inf
    """The latest time at which it can be written; infinite if unknown."""
    outcome: str = "killed"
    read: float = math.inf
    """When the run of this batch had read the session; infinite if it is of no run."""

    @property
    def acknowledged(self) -> bool:
        return self.outcome == "acknowledged"


@dataclass(frozen=True)
class Popped:
    """An attempt to pop an item."""

    session: str
    begin: float
    end: float = math.inf
    outcome: str = "killed"
    mark: Mark | None = None
    """None: there was none, or it is unknown."""


@dataclass(frozen=True)
class Cleared:
    """A clear that was tried."""

    session: str
    begin: float
    end: float = math.inf
    outcome: str = "killed"


@dataclass(frozen=True)
class Replaced:
    """Items that were to be replaced by a batch, which is among the added ones, too.

    The outcome ``"refused"`` says that nothing was replaced.
    """

    session: str
    batch: str
    gone: tuple[Mark, ...]
    begin: float
    end: float = math.inf
    outcome: str = "killed"


@dataclass(frozen=True)
class Rewound:
    """An attempt to rewind to ``seq``."""

    session: str
    seq: int
    expected: int | None
    """The place that the newest item must have."""
    begin: float
    end: float = math.inf
    outcome: str = "killed"
    """``"refused"``: nothing was changed."""


@dataclass(frozen=True)
class Forked:
    """An attempt to copy the items up to ``upto`` to the session ``target``."""

    session: str
    target: str
    upto: int | None
    begin: float
    end: float = math.inf
    outcome: str = "killed"
    """``"refused"``: there is no copy."""


@dataclass(frozen=True)
class Deleted:
    """An attempt to delete a session, or all sessions of an owner."""

    sessions: tuple[str, ...]
    begin: float
    end: float = math.inf
    outcome: str = "killed"
    owner: str | None = None


@dataclass(frozen=True)
class Redacted:
    """An attempt to replace what the item of a mark says."""

    session: str
    mark: Mark
    redaction: str
    """Its own id, which the new text has."""
    begin: float
    end: float = math.inf
    outcome: str = "killed"


class Seen(NamedTuple):
    """An entry that a poller was given."""

    seq: int
    id: str
    mark: Mark
    redaction: str | None = None


@dataclass(frozen=True)
class Polled:
    """Items above ``after``, the last place that this poller has seen."""

    session: str
    poller: str
    after: int
    seen: tuple[Seen, ...]
    begin: float = 0.0


@dataclass(frozen=True)
class Looked:
    """The items that a view has shown word for word."""

    session: str
    shown: tuple[Version, ...]
    begin: float


@dataclass
class History:
    added: dict[str, Added] = field(default_factory=dict)
    popped: list[Popped] = field(default_factory=list)
    cleared: list[Cleared] = field(default_factory=list)
    replaced: list[Replaced] = field(default_factory=list)
    rewound: list[Rewound] = field(default_factory=list)
    forked: list[Forked] = field(default_factory=list)
    deleted: list[Deleted] = field(default_factory=list)
    redacted: list[Redacted] = field(default_factory=list)
    polled: list[Polled] = field(default_factory=list)
    looked: list[Looked] = field(default_factory=list)
    views: int = 0
    problems: list[str] = field(default_factory=list)
    """Violations that clients saw, such as a view that an API would reject."""


class Journal:
    """The writing side."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("a", buffering=1)
        self._operations = 0

    def begin(self, kind: str, **facts: Any) -> int:
        self._operations += 1
        self._write(kind=kind, number=self._operations, begin=time.monotonic(), **facts)
        return self._operations

    def end(self, number: int, outcome: str, **facts: Any) -> None:
        self._write(number=number, end=time.monotonic(), outcome=outcome, **facts)

    def polled(self, **facts: Any) -> None:
        self._write(polled=facts)

    def problem(self, text: str) -> None:
        self._write(problem=text)

    def _write(self, **line: Any) -> None:
        self._file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        self._file.close()


def read(files: Iterable[Path]) -> History:
    """All journals together."""
    history = History()
    for file in files:
        _read_one(file, history)
    return history


def _read_one(file: Path, history: History) -> None:
    operations: dict[int, dict[str, Any]] = {}
    for line in file.read_text().splitlines(keepends=True):
        if not line.endswith("\n"):
            continue  # the writer was killed
        record = json.loads(line)
        if "problem" in record:
            history.problems.append(record["problem"])
        elif "polled" in record:
            seen = tuple(Seen(s, i, Mark(*m), *r) for s, i, m, *r in record["polled"].pop("seen"))
            history.polled.append(Polled(**record["polled"], seen=seen))
        else:
            operations.setdefault(record.pop("number"), {}).update(record)
    for operation in operations.values():
        if operation.get("outcome") == "failed":
            operation["end"] = math.inf  # a command may still be on its way
        _tell(operation.pop("kind"), operation, history)


def _tell(kind: str, operation: dict[str, Any], history: History) -> None:
    if kind == "add":
        added = Added(**operation)
        history.added[added.batch] = added
    elif kind == "pop":
        mark = operation.pop("mark", None)
        history.popped.append(Popped(**operation, mark=Mark(*mark) if mark else None))
    elif kind == "clear":
        history.cleared.append(Cleared(**operation))
    elif kind == "replace":
        size, gone = operation.pop("size"), operation.pop("gone")
        added = Added(**operation, size=size)
        history.added[added.batch] = added
        history.replaced.append(Replaced(**operation, gone=tuple(Mark(*mark) for mark in gone)))
    elif kind == "rewind":
        history.rewound.append(Rewound(**operation))
    elif kind == "fork":
        history.forked.append(Forked(**operation))
    elif kind == "delete":
        history.deleted.append(Deleted(tuple(operation.pop("sessions")), **operation))
    elif kind == "redact":
        history.redacted.append(Redacted(mark=Mark(*operation.pop("mark")), **operation))
    else:
        history.views += 1
        shown = tuple(Version(Mark(*mark), by) for mark, by in operation.get("shown", ()))
        if shown:
            history.looked.append(Looked(operation["session"], shown, operation["begin"]))
