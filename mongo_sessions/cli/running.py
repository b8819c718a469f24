"""Runs the coroutine of a command: output, errors, Ctrl-C."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import TYPE_CHECKING

import typer

from .output import Output
from .target import INTERRUPTED, USAGE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .target import Target


def start(context: typer.Context, command: Callable[[Target, Output], Awaitable[None]]) -> None:
    """Run a command to its end; exit with its code if that is not 0."""
    target: Target = context.obj
    output = Output(as_json=target.as_json)
    logging.basicConfig(format="mongo-sessions: %(message)s", level=logging.WARNING)
    code = _code_of(target, output, command)
    if code:
        raise typer.Exit(code)


def _code_of(
    target: Target, output: Output, command: Callable[[Target, Output], Awaitable[None]]
) -> int:
    from .failures import command_error  # noqa: PLC0415 - it imports the driver

    try:
        asyncio.run(_finished(target, output, command))
    except KeyboardInterrupt:
        output.end_progress()
        output.complain("stopped")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of the pipe has ended, as `head` does
        _discard_stdout()
        return 0
    except Exception as error:
        told = command_error(error, target)
        if told is None:
            raise
        output.end_progress()
        if isinstance(error, OSError) and told.code == USAGE and error.filename is None:
            _discard_stdout()
        if str(told):
            output.complain(str(told))
        return told.code
    return 0


def _discard_stdout() -> None:
    """Nothing more can be written there: Python would complain at its exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def _finished(
    target: Target, output: Output, command: Callable[[Target, Output], Awaitable[None]]
) -> None:
    await command(target, output)
    output.end_progress()
    sys.stdout.flush()
