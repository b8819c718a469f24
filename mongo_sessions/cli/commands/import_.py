"""``mongo-sessions import``: the sessions of an export."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ...explanations.rows import plural
from ..opening import opened
from ..target import wrong_usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ...transfer import Imported
    from ..output import Output
    from ..target import Target


async def import_(target: Target, output: Output, file: str) -> None:
    """Store the sessions of ``file`` ("-": stdin). A second run adds what is missing."""

    def progress(done: Imported) -> None:
        output.progress(f"{done.sessions:,} sessions, {done.items:,} items")

    with _lines(file) as lines:
        async with opened(target, output, writes=True) as database:
            done = await database.store.import_lines(lines, progress=progress)
    tell(output, done)


def tell(output: Output, done: Imported, *, refused: int = 0) -> None:
    """Print the result."""
    output.end_progress()
    if output.as_json:
        record = {"sessions": done.sessions, "items": done.items, "skipped": done.skipped}
        output.record({**record, "refused": refused})
        return
    sessions = f"{done.sessions:,} {plural('session', done.sessions)}"
    text = f"{sessions}, {done.items:,} {plural('item', done.items)} stored"
    text += f", {done.skipped:,} were there already" if done.skipped else ""
    output.line(text + (f"; {refused:,} refused" if refused else ""))


@contextmanager
def _lines(file: str) -> Iterator[Iterable[bytes]]:
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = Path(file).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise wrong_usage(f"{file}: {error.strerror}") from None
    with stream:
        yield stream
