"""``mongo-sessions show``: a conversation as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...policies import view_of
from ...policies.summarize.segments import from_summary
from ..entries import print_entry, record_of
from ..opening import opened
from ..policy_specs import policy_of
from ..target import no

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...policies import Entry, View
    from ..opening import Opened
    from ..output import Output
    from ..target import Target


async def show(
    target: Target,
    output: Output,
    session_id: str,
    *,
    policy: str | None,
    last: int,
    from_seq: int | None,
    full: bool,
) -> None:
    """Print items, oldest first, with the marks of the view and of the summary between them."""
    chosen = policy_of(policy) if policy else None
    async with opened(target, output) as database:
        await database.existing(session_id)
        entries, older, newer = await _entries(database, session_id, last, from_seq)
        if not entries:
            raise no(f"session {session_id!r} has no items from {from_seq} on")
        history = await database.read_only_history(session_id)
        anchor = await history.latest_summary()
        view = None if chosen is None else await view_of(chosen, history)
    if output.as_json:
        covered = 0 if anchor is None else anchor.seq
        shown = None if view is None else set(view.seqs)
        for entry in entries:
            state = {"is_summarised": entry.seq <= covered}
            if shown is not None:
                state["is_shown"] = entry.seq in shown
            output.record(record_of(entry, **state))
        return
    first, newest = entries[0].seq, entries[-1].seq
    if older:
        output.line(f"… items before {first:,}: --from SEQ, or --last 0 for all", "dim")
    marks = sorted(
        [*_summary_marks(anchor, first, newest), *_view_marks(view, first, newest, policy)]
    )
    for entry in entries:
        while marks and marks[0][0] <= entry.seq:
            output.line(f"──── {marks.pop(0)[1]} ────", "bold magenta")
        print_entry(output, entry, full=full)
    for _, text in marks:
        output.line(f"──── {text} ────", "bold magenta")
    if newer:
        output.line(f"… items after {newest:,}: --from {newest + 1}", "dim")


def _summary_marks(anchor: Entry | None, first: int, last: int) -> Iterator[tuple[int, str]]:
    """Where each segment of the summary begins, and where the summary ends; from ``first`` on."""
    for segment in from_summary(anchor.summary if anchor else None):
        if segment.last_seq >= first and segment.first_seq <= last:
            items = f"items {segment.first_seq:,} to {segment.last_seq:,}"
            yield (
                max(segment.first_seq, first),
                f"{items} are summarised in {segment.tokens:,} tokens",
            )
    if anchor is not None and anchor.seq >= first:
        where = "here" if anchor.seq <= last else "below"
        yield anchor.seq + 1, f"the summary ends {where}, on item {anchor.seq:,}"


def _view_marks(
    view: View | None, first: int, last: int, policy: str | None
) -> Iterator[tuple[int, str]]:
    if view is not None and view.start_seq is not None:
        where = "here"
        if not first <= view.start_seq <= last:
            where = "above" if view.start_seq < first else "below"
            where += f", at item {view.start_seq:,}"
        text = f"the view of {policy} begins {where}: {view.reason.value}"
        yield max(view.start_seq, first), text


async def _entries(
    database: Opened, session_id: str, last: int, from_seq: int | None
) -> tuple[list[Entry], bool, bool]:
    """The entries to show, oldest first, and whether there are older ones, and newer ones."""
    history = await database.history(session_id)
    entries: list[Entry] = []
    if from_seq is not None:
        async for entry in history.oldest_first(from_seq - 1):
            if last and len(entries) == last:
                return entries, from_seq > 1, True
            entries.append(entry)
        return entries, from_seq > 1, False
    async for entry in history.newest_first():
        if last and len(entries) == last:
            return entries[::-1], True, False
        entries.append(entry)
    return entries[::-1], False, False
