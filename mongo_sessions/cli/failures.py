"""Errors as one line for the user, with an exit code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    ExecutionTimeout,
    InvalidName,
    InvalidURI,
    OperationFailure,
    PyMongoError,
)

from ..errors import (
    CannotExplain,
    Conflict,
    ForeignCollection,
    IndexesMissing,
    NoSuchEntry,
    ServerUnavailable,
    SessionBusy,
    SessionExists,
    WrongOwner,
)
from ..log.server.retries import UNAUTHORIZED
from .target import DATABASE, NO, USAGE, CommandError

if TYPE_CHECKING:
    from .target import Target

_USAGE_ERRORS = (InvalidURI, ConfigurationError, InvalidName, TypeError, ValueError, ImportError)
_REFUSALS = (CannotExplain, Conflict, NoSuchEntry, SessionBusy, SessionExists, WrongOwner)
_DATABASE_ERRORS = (ServerUnavailable, ForeignCollection, IndexesMissing)


def command_error(error: Exception, target: Target) -> CommandError | None:
    """What to tell the user; None for an error that only a defect explains."""
    if isinstance(error, CommandError):
        return error
    code = _code_of(error)
    if code is None:
        return None
    text = " ".join(_text_of(error, target).split())
    return CommandError(without_secrets(text, target.uri), code)


def without_secrets(text: str, uri: str | None) -> str:
    """``text`` without the URI, and without the user name and password in it."""
    if uri is None:
        return text
    text = text.replace(uri, "the URI")
    credentials = uri.partition("://")[2].rpartition("@")[0]
    password = credentials.partition(":")[2]
    for secret in (credentials, password, unquote_plus(password)):
        if secret:
            text = text.replace(secret, "***")
    return text


def by_command(text: str, target: Target) -> str:
    """The advice of :class:`IndexesMissing`, with the command in the place of the method."""
    command = f"run `mongo-sessions{target.options} ensure-indexes`"
    return text.replace("call `await store.ensure_indexes()`", command)


def _code_of(error: Exception) -> int | None:
    if isinstance(error, _REFUSALS):
        return NO
    if isinstance(error, _USAGE_ERRORS):
        return USAGE
    if isinstance(error, (PyMongoError, *_DATABASE_ERRORS)):
        return DATABASE
    return USAGE if isinstance(error, OSError) else None  # of a file, or of a full disk


def _text_of(error: Exception, target: Target) -> str:
    # PyMongo appends the server's whole answer.
    text = str(error).partition(", full error: ")[0]
    if isinstance(error, OperationFailure) and error.code == UNAUTHORIZED:
        # The server repeats the command, which may hold words of a search.
        text = text.partition(" to execute command")[0]
        doctor = f"`mongo-sessions{target.options} doctor`"
        text = f"{text}. The user of the URI lacks a right: see {doctor}"
    elif isinstance(error, ExecutionTimeout):
        text = f"{text}: the server has too much to do. Ask for less, or raise --timeout"
    elif isinstance(error, AutoReconnect):
        text = f"the connection was lost: {re.sub(r' [(]configured timeouts.*', '', text)}"
    elif isinstance(error, IndexesMissing):
        text = by_command(text, target).replace(" (create_indexes=False)", "")
    elif isinstance(error, ImportError):
        text = f"{text}: is it installed, and is the folder on PYTHONPATH?"
    elif isinstance(error, OSError) and error.strerror:
        text = f"{error.filename or 'output'}: {error.strerror}"
    return text
