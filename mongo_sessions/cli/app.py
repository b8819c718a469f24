"""The command line: common options, then a command."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated

import typer

from . import changing, looking
from .common_options import hoisted
from .output import printable
from .target import INTERRUPTED, USAGE, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_EPILOG = """Exit codes: 0 fine; 1 the answer is no, or doctor has found something; 2 wrong usage;
3 the database; 130 Ctrl-C. Commands change nothing unless they say so."""


def _version(is_asked: bool) -> None:  # noqa: FBT001 - typer's callback
    if is_asked:
        typer.echo(f"mongo-sessions {version('mongo-sessions')}")
        raise typer.Exit


def common(
    context: typer.Context,
    *,
    uri: Annotated[
        str | None,
        typer.Option(
            envvar="MONGODB_URI",
            metavar="URI",
            show_default=False,
            help="mongodb://… or mongodb+srv://….",
        ),
    ] = None,
    database: Annotated[
        str, typer.Option("--database", "-d", metavar="NAME", envvar="MONGO_SESSIONS_DATABASE")
    ] = Target.database,
    collection: Annotated[
        str, typer.Option("--collection", "-c", metavar="NAME", envvar="MONGO_SESSIONS_COLLECTION")
    ] = Target.collection,
    timeout: Annotated[
        float, typer.Option(min=0.1, metavar="S", help="Seconds to wait for a server.")
    ] = Target.seconds,
    json: Annotated[
        bool, typer.Option("--json", help="JSON, one object a line, for programs.")
    ] = False,
    version: Annotated[  # noqa: ARG001 - its callback has answered
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Show it.")
    ] = False,
) -> None:
    """Look into the conversations of a MongoDB database, and look after them.

    These options may stand before or after the command.
    """
    context.obj = Target(uri, database, collection, timeout, json)


_COMMANDS = (*looking.COMMANDS, *changing.COMMANDS)


def _name(command: Callable[..., None]) -> str:
    return command.__name__.strip("_").replace("_", "-")


def _app(*, is_terminal: bool) -> typer.Typer:
    app = typer.Typer(
        name="mongo-sessions",
        rich_markup_mode="rich" if is_terminal else None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=_EPILOG,
        callback=common,
    )
    for command in _COMMANDS:
        name = _name(command)
        is_writing = command in changing.COMMANDS
        panel = "Commands that change something" if is_writing else "Commands that look"
        told = (command.__doc__ or "").partition("\n")[0]
        app.command(name, short_help=told, rich_help_panel=panel)(command)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run a command line; return its exit code."""
    is_terminal = sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))
    command = typer.main.get_command(_app(is_terminal=is_terminal))
    given = hoisted(arguments) or ["--help"]
    try:
        code = command.main(given, prog_name="mongo-sessions", standalone_mode=False)
    except typer.TyperException as error:
        _complain(error, given)
        return error.exit_code
    except typer.Abort:  # Ctrl-C, or the end of the input, at a question
        print("mongo-sessions: stopped", file=sys.stderr)  # noqa: T201
        return INTERRUPTED
    except SystemExit as ended:  # of completion
        code = ended.code
    if not arguments:
        return USAGE
    return code if isinstance(code, int) else 0


def _complain(error: typer.TyperException, arguments: Sequence[str]) -> None:
    """One line on stderr; typer's own has a usage and a box around it."""
    message = " ".join(error.format_message().split()).replace(": Value error, ", ": ")
    names = [_name(command) for command in _COMMANDS]
    command = next((f" {argument}" for argument in arguments if argument in names), "")
    message += "" if message.endswith((".", "?")) else "."
    told = f"mongo-sessions: {message} See `mongo-sessions{command} --help`"
    print(printable(told), file=sys.stderr)  # noqa: T201
