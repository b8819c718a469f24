"""``mongo-sessions rm``: delete sessions."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from ...explanations.rows import plural
from ..opening import opened
from ..target import NO, CommandError, no, wrong_usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..opening import Opened
    from ..output import Output
    from ..target import Target


async def rm(target: Target, output: Output, session_ids: Sequence[str], *, yes: bool) -> None:
    """Say how much there is, ask, and delete."""
    if not yes and (output.as_json or not sys.stdin.isatty()):
        raise wrong_usage("rm asks first, and there is no terminal to ask: pass --yes")
    async with opened(target, output, writes=True) as database:
        found = {session_id: await _size(database, session_id) for session_id in session_ids}
        if missing := [session_id for session_id, size in found.items() if size is None]:
            names = ", ".join(map(repr, missing))
            raise no(f"there is no session {names} in {target}; nothing was deleted")
        if not yes:
            _ask(output, target, found)
        for session_id in found:
            removed = await database.store.delete_session(session_id)
            if output.as_json:
                output.record({"session_id": session_id, "items": removed})
            else:
                output.line(f"deleted {session_id}: {removed:,} items")


def _ask(output: Output, target: Target, found: dict[str, tuple[int, int] | None]) -> None:
    rows = [(session_id, *size) for session_id, size in found.items() if size is not None]
    output.table(("session", "items", "tokens"), rows, right=("items", "tokens"))
    items = sum(row[1] for row in rows)
    what = f"{len(rows):,} {plural('session', len(rows))} with {items:,} {plural('item', items)}"
    with _interruptible():
        is_sure = typer.confirm(f"Delete {what} from {target} for ever?", err=True)
    if not is_sure:
        raise CommandError("nothing was deleted", NO)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end a question. The event loop's handler would wait for the answer."""
    if threading.current_thread() is not threading.main_thread():
        yield  # a signal goes to the main thread
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


async def _size(database: Opened, session_id: str) -> tuple[int, int] | None:
    """Items and tokens of a session; None if it has no items."""
    totals = await (await database.log()).inventory.totals(session_id, split_seq=0, last_seq=2**62)
    return (totals.after.items, totals.after.tokens) if totals.after.items else None
