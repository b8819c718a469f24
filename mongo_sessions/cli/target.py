"""Which collection a command works on, and how its output is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from shlex import quote


@dataclass(frozen=True)
class Target:
    """The options that every command has."""

    uri: str | None = field(default=None, repr=False)  # it may hold a password
    database: str = "agents"
    collection: str = "session_items"
    seconds: float = 15.0
    """For which an operation is retried while no server answers."""
    as_json: bool = False

    @property
    def options(self) -> str:
        """The options that name the collection, for a command to copy; empty for the defaults."""
        given = [("-d", self.database, Target.database), ("-c", self.collection, Target.collection)]
        return "".join(f" {name} {quote(value)}" for name, value, usual in given if value != usual)

    def __str__(self) -> str:
        return f"{self.database}.{self.collection}"


class CommandError(Exception):
    """A command ends: one line for the user, and the exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


OK, NO, USAGE, DATABASE, INTERRUPTED = 0, 1, 2, 3, 130
"""The exit codes. NO: the answer is no, there is no such session, or `doctor` has a finding."""


def no(message: str) -> CommandError:
    """The answer is no, or there is no such thing."""
    return CommandError(message, NO)


def wrong_usage(message: str) -> CommandError:
    """The arguments are wrong."""
    return CommandError(message, USAGE)
