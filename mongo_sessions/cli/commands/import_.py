"""``mongo-sessions import``: the sessions of an export, or of the SDK."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ...explanations.rows import plural
from ..opening import opened
from ..target import NO, CommandError, wrong_usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ...transfer import Imported
    from ..output import Output
    from ..target import Target


async def import_(
    target: Target,
    output: Output,
    file: str | None,
    source: str | None,
    session_ids: Sequence[str] | None,
) -> None:
    """Store sessions of ``file`` ("-": stdin) or ``source``. A second run adds what is missing."""
    refused = 0
    if source is None and file is not None:
        if session_ids:
            raise wrong_usage("--session goes with --from; an export is imported whole")
        done = await _import_file(target, output, file)
    elif source is not None and file is None:
        from .import_from import import_from  # noqa: PLC0415 - the SDK takes a second

        done, refused = await import_from(target, output, source, session_ids)
    else:
        raise wrong_usage("give FILE, an export (- is stdin), or --from SOURCE")
    output.end_progress()
    _tell(output, done, refused)
    if refused:
        raise CommandError("", NO)


async def _import_file(target: Target, output: Output, file: str) -> Imported:
    def progress(done: Imported) -> None:
        output.progress(f"{done.sessions:,} sessions, {done.items:,} items")

    with _lines(file) as lines:
        async with opened(target, output, writes=True) as database:
            await database.create_indexes_if_new()
            return await database.store.import_lines(lines, progress=progress)


def _tell(output: Output, done: Imported, refused: int) -> None:
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
