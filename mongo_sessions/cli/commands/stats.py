"""``mongo-sessions stats``: how much is stored, and what is due."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...log.documents import in_utc
from ...policies import SummarizeOlder
from ...store.pending import is_due
from ..failing_folds import FailingFold, failing_fold
from ..opening import opened
from ..policy_specs import policy_of
from ..target import wrong_usage
from ..times import date, iso

if TYPE_CHECKING:
    from datetime import datetime

    from ...log.reads.listing import Listed
    from ..opening import Opened
    from ..output import Output
    from ..target import Target

_PAGE = 1_000


@dataclass
class Stats:
    """The numbers of all sessions, as far as they are read."""

    largest_wanted: int
    sessions: int = 0
    items: int = 0
    tokens: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    due: int = 0
    failing: list[FailingFold] = field(default_factory=list)
    largest: list[tuple[int, int, str]] = field(default_factory=list)
    """Tokens, items and id: a heap."""

    def add(self, listed: Listed) -> None:
        """Count a session."""
        self.sessions += 1
        self.items += listed.items
        self.tokens += listed.tokens
        newest, oldest = in_utc(listed.updated_at), in_utc(listed.began_at)
        self.newest = newest if self.newest is None else max(self.newest, newest)
        self.oldest = oldest if self.oldest is None else min(self.oldest, oldest)
        heapq.heappush(self.largest, (listed.tokens, listed.items, listed.session_id))
        if len(self.largest) > self.largest_wanted:
            heapq.heappop(self.largest)


async def stats(target: Target, output: Output, *, prefix: str, policy: str, largest: int) -> None:
    """Print the numbers. Of each session, two index entries are read, and its summary."""
    chosen = policy_of(policy)
    if not isinstance(chosen, SummarizeOlder):
        raise wrong_usage(f"--policy {policy} makes no summaries: summarize-older:TOKENS does")
    async with opened(target, output) as database:
        counted = await _counted(database, output, prefix, chosen, largest)
        diagnosis = database.connection.diagnosis
        size = await diagnosis.size()
        rows = [
            (session_id, items, tokens, await diagnosis.bytes_of(session_id))
            for tokens, items, session_id in sorted(counted.largest, reverse=True)
        ]
    output.end_progress()
    record = {
        "collection": str(target),
        "sessions": counted.sessions,
        "items": counted.items,
        "tokens": counted.tokens,
        "bytes": size.bytes,
        "stored_bytes": size.stored_bytes,
        "index_bytes": size.index_bytes,
        "oldest_at": iso(counted.oldest),
        "newest_at": iso(counted.newest),
        "summaries_due": counted.due,
        "summaries_failing": [one.record for one in counted.failing],
        "largest": [
            dict(zip(("session_id", "items", "tokens", "bytes"), row, strict=True)) for row in rows
        ],
    }
    if output.as_json:
        output.record(record)
    else:
        _print(output, record, counted, rows, policy)


async def _counted(
    database: Opened, output: Output, prefix: str, policy: SummarizeOlder, largest: int
) -> Stats:
    log, diagnosis = await database.log(), database.connection.diagnosis
    counted = Stats(largest)
    after = None
    while page := await log.sessions(prefix, after, _PAGE):
        for listed in page:
            counted.add(listed)
            output.progress(f"{counted.sessions:,} sessions, {counted.items:,} items")
            if await is_due(log, listed, policy.budget.due_tokens):
                counted.due += 1
                if found := await failing_fold(diagnosis, listed.session_id):
                    counted.failing.append(found)
        after = page[-1].session_id
    return counted


def _print(
    output: Output,
    record: dict[str, Any],
    counted: Stats,
    rows: list[tuple[str, int, int, int]],
    policy: str,
) -> None:
    told: list[tuple[str, object]] = [(name, record[name]) for name in ("sessions", "items")]
    told += [
        ("tokens", counted.tokens),
        ("bytes of the collection", record["bytes"]),
        ("… on disk", record["stored_bytes"]),
        ("… of indexes", record["index_bytes"]),
        ("oldest item (UTC)", date(counted.oldest)),
        ("newest item (UTC)", date(counted.newest)),
        (f"summaries due ({policy})", counted.due),
        ("… of which failing", len(counted.failing)),
    ]
    output.table((record["collection"], ""), told, right=("",))
    if rows:
        output.line()
        columns = ("largest sessions", "items", "tokens", "bytes")
        output.table(columns, rows, right=columns[1:])
    for one in counted.failing:
        output.warn(str(one))
    output.line(
        f"--policy {policy} decides what is due; doctor finds failures with any policy", "dim"
    )
