"""The commands that change something. Each imports what it needs when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from .arguments import Prefix
from .running import start


def fold(
    context: typer.Context,
    *,
    policy: Annotated[
        str,
        typer.Option(
            "--policy", "-p", metavar="POLICY", help="summarize-older:TOKENS, or module:attribute."
        ),
    ] = "summarize-older:16000",
    summarizer: Annotated[
        str | None,
        typer.Option(
            metavar="OBJECT", show_default=False, help="module:attribute: who writes the summaries."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", show_default=False, help="Or a model of the Agents SDK."),
    ] = None,
    prefix: Prefix = "",
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, metavar="N", help="Sessions.")
    ] = 100,
) -> None:
    """Make the summaries that are due: WRITES them. Ctrl-C loses nothing."""
    from .commands.fold import fold

    start(
        context,
        lambda target, output: fold(
            target,
            output,
            policy=policy,
            summarizer=summarizer,
            model=model,
            prefix=prefix,
            limit=limit,
        ),
    )


def recount(context: typer.Context, *, prefix: Prefix = "") -> None:
    """Count the tokens of all items again: WRITES other counts. Ctrl-C loses nothing."""
    from .commands.recount import recount

    start(context, lambda target, output: recount(target, output, prefix=prefix))


def import_(
    context: typer.Context,
    file: Annotated[
        str | None,
        typer.Argument(metavar="[FILE]", show_default=False, help="Of an export; - for stdin."),
    ] = None,
    *,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="SOURCE",
            envvar="MONGO_SESSIONS_FROM",
            show_default=False,
            help="Sessions of the Agents SDK: sqlite:FILE, sqlalchemy:URL, redis://HOST, "
            "mongodb:[DATABASE] of this server, or mongodb://HOST/DATABASE.",
        ),
    ] = None,
    session_ids: Annotated[
        list[str] | None,
        typer.Option(
            "--session", metavar="ID", show_default=False, help="Of SOURCE. Without: all."
        ),
    ] = None,
) -> None:
    """STORE the sessions of an export, or of the SDK. A second run adds what is missing."""
    from .commands.import_ import import_

    start(context, lambda target, output: import_(target, output, file, source, session_ids))


def ensure_indexes(context: typer.Context) -> None:
    """CREATE the indexes that are missing, of sessions and cards; say which."""
    from .commands.ensure_indexes import ensure_indexes

    start(context, ensure_indexes)


def rm(
    context: typer.Context,
    session_ids: Annotated[list[str], typer.Argument(metavar="ID…", help="Sessions.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """DELETE sessions. It asks first, and says how much."""
    from .commands.rm import rm

    start(context, lambda target, output: rm(target, output, session_ids, yes=yes))


COMMANDS = (fold, recount, import_, ensure_indexes, rm)
