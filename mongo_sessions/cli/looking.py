"""The commands that look. Each imports what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .arguments import Full, Order, Owner, Policy, Prefix, SessionId
from .running import start


def ls(
    context: typer.Context,
    *,
    by: Annotated[
        Order | None,
        typer.Option(show_default=False, help="By default activity, or id with --prefix."),
    ] = None,
    owner: Owner = None,
    prefix: Prefix = "",
    after: Annotated[
        str | None,
        typer.Option(metavar="PLACE", show_default=False, help="As the page before has told."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, metavar="N", help="Sessions.")] = 50,
) -> None:
    """List sessions, the one active last (to about a minute) first: owner, title, items, tokens."""
    from .commands.ls import Page, ls

    page = Page(by, owner, prefix, after, limit)
    start(context, lambda target, output: ls(target, output, page))


def show(
    context: typer.Context,
    session_id: SessionId,
    *,
    policy: Annotated[
        str | None,
        typer.Option(
            "--policy",
            "-p",
            metavar="POLICY",
            show_default=False,
            help="Mark where its view begins.",
        ),
    ] = None,
    last: Annotated[int, typer.Option(min=0, metavar="N", help="The newest items; 0: all.")] = 50,
    from_seq: Annotated[
        int | None,
        typer.Option(
            "--from", min=1, metavar="SEQ", show_default=False, help="Begin at this item."
        ),
    ] = None,
    full: Full = False,
) -> None:
    """Show a conversation: roles, dates, and where the summary and the view begin and end."""
    from .commands.show import show

    start(
        context,
        lambda target, output: show(
            target, output, session_id, policy=policy, last=last, from_seq=from_seq, full=full
        ),
    )


def view(
    context: typer.Context, session_id: SessionId, *, policy: Policy = "none", full: Full = False
) -> None:
    """Show what the model would be shown now."""
    from .commands.view import view

    start(
        context, lambda target, output: view(target, output, session_id, policy=policy, full=full)
    )


def why(
    context: typer.Context,
    session_id: SessionId,
    seq: Annotated[
        int | None,
        typer.Argument(
            metavar="[SEQ]", min=1, help="An item that the model wrote: what it saw then."
        ),
    ] = None,
    *,
    policy: Policy = "none",
) -> None:
    """Explain what the model sees now, or saw when it wrote item SEQ: in numbers."""
    from .commands.why import why

    start(context, lambda target, output: why(target, output, session_id, seq, policy=policy))


def find(
    context: typer.Context,
    session_id: SessionId,
    words: Annotated[
        list[str], typer.Argument(metavar="WORDS…", help="Any of them; rare words count more.")
    ],
    *,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="N", min=1, max=100, help="Hits.")
    ] = 10,
    seconds: Annotated[
        float, typer.Option(min=0.1, metavar="S", help="The most seconds to compare.")
    ] = 10.0,
    full: Full = False,
) -> None:
    """Find items of a session by their words, best first."""
    from .commands.find import find

    text = " ".join(words)
    start(
        context,
        lambda target, output: find(
            target, output, session_id, text, limit=limit, seconds=seconds, full=full
        ),
    )


def tail(
    context: typer.Context,
    session_id: SessionId,
    *,
    lines: Annotated[
        int, typer.Option("--lines", "-n", metavar="N", min=0, max=1000, help="Items.")
    ] = 10,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for new items.")] = False,
    full: Full = False,
) -> None:
    """Show the newest items, and with -f each new one."""
    from .commands.tail import tail

    start(
        context,
        lambda target, output: tail(
            target, output, session_id, lines=lines, follow=follow, full=full
        ),
    )


def summary(context: typer.Context, session_id: SessionId) -> None:
    """Show the newest summary, with the items that each part covers."""
    from .commands.summary import summary

    start(context, lambda target, output: summary(target, output, session_id))


def stats(
    context: typer.Context,
    *,
    prefix: Prefix = "",
    policy: Annotated[
        str,
        typer.Option(
            "--policy", "-p", metavar="POLICY", help="The policy by which a summary is due."
        ),
    ] = "summarize-older:16000",
    largest: Annotated[
        int, typer.Option(metavar="N", min=0, max=100, help="Largest sessions to list.")
    ] = 10,
) -> None:
    """Count sessions, items, tokens, bytes, summaries due and failing; list the largest."""
    from .commands.stats import stats

    start(
        context,
        lambda target, output: stats(target, output, prefix=prefix, policy=policy, largest=largest),
    )


def doctor(
    context: typer.Context,
    *,
    seconds: Annotated[
        float, typer.Option(min=1, metavar="S", help="The most seconds for a check.")
    ] = 10.0,
    sessions: Annotated[
        int, typer.Option(min=1, metavar="N", help="Sessions to look at for failing summaries.")
    ] = 1_000,
) -> None:
    """Check server, rights, indexes, clock and summaries; say what to do."""
    from .commands.doctor import doctor

    start(
        context, lambda target, output: doctor(target, output, seconds=seconds, sessions=sessions)
    )


def export(
    context: typer.Context,
    session_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID…]", help="Sessions. Without: all.")
    ] = None,
    *,
    prefix: Prefix = "",
    owner: Owner = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", show_default=False, help="Instead of stdout."
        ),
    ] = None,
) -> None:
    """Write sessions as lines of JSON: items, places, dates, summaries, cards."""
    from .commands.export import export

    start(
        context,
        lambda target, output: export(
            target, output, session_ids or (), prefix=prefix, owner=owner, file=file
        ),
    )


COMMANDS = (ls, show, view, why, find, tail, summary, stats, doctor, export)
