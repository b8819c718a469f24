"""``mongo-sessions export``: sessions as lines of JSON."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..opening import opened
from ..target import no, wrong_usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import TextIO

    from ..output import Output
    from ..target import Target

_SESSION = '{"session"'
_MOST_TOLD = 3


async def export(
    target: Target,
    output: Output,
    session_ids: Sequence[str],
    *,
    prefix: str,
    owner: str | None,
    file: Path | None,
) -> None:
    """Write the lines to ``file``, which appears when it is complete, or to stdout."""
    if session_ids and (prefix or owner):
        raise wrong_usage("IDs, or --prefix and --owner, not both")
    sessions = lines = 0
    missing = set(session_ids)
    async with opened(target, output) as database:
        with _written(file) as stream:
            exported = database.store.export(prefix, session_ids=session_ids or None, owner=owner)
            async for line in exported:
                stream.write(line + "\n")
                lines += 1
                if line.startswith(_SESSION):
                    sessions += 1
                    missing.discard(json.loads(line)["session"])
                output.progress(f"{sessions:,} sessions, {lines:,} lines")
            if missing:
                raise no(_no_sessions(missing, target))
    output.end_progress()
    if file is not None:
        are = "session is" if sessions == 1 else "sessions are"
        output.complain(f"{sessions:,} {are} in {file}")


def _no_sessions(missing: set[str], target: Target) -> str:
    told = ", ".join(map(repr, sorted(missing)[:_MOST_TOLD]))
    more = f" and {len(missing) - _MOST_TOLD:,} more" if len(missing) > _MOST_TOLD else ""
    return f"there is no session {told}{more} in {target}"


@contextmanager
def _written(file: Path | None) -> Iterator[TextIO]:
    """stdout, or a file that takes its name at the end: a part of an export is no export."""
    if file is None:
        yield sys.stdout
        return
    part = file.with_name(f".{file.name}.part")
    try:
        with part.open("w", encoding="utf-8") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
