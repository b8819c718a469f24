"""Errors as one line with an exit code, and no password in it."""

from __future__ import annotations

import pytest
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
)

from mongo_sessions import Conflict, ForeignCollection, IndexesMissing, NoSuchEntry
from mongo_sessions.cli.failures import command_error
from mongo_sessions.cli.target import DATABASE, NO, USAGE, CommandError, Target
from mongo_sessions.cli.times import ago

TARGET = Target("mongodb://ann:hunt%40r2@db:27017/?w=1", "chats")


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (NoSuchEntry("there is no item 7"), NO, "there is no item 7"),
        (Conflict("it is\nin use"), NO, "it is in use"),
        (ConfigurationError("Unknown option: w"), USAGE, "Unknown option: w"),
        (
            ModuleNotFoundError("No module named 'mine'"),
            USAGE,
            "No module named 'mine': is it installed, and is the folder on PYTHONPATH?",
        ),
        (OSError(28, "No space left on device"), USAGE, "output: No space left on device"),
        (FileNotFoundError(2, "No such file", "a.jsonl"), USAGE, "a.jsonl: No such file"),
        (OSError("it broke"), USAGE, "it broke"),
        (ForeignCollection("not ours"), DATABASE, "not ours"),
        (
            IndexesMissing("call `await store.ensure_indexes()` (create_indexes=False)"),
            DATABASE,
            f"run `mongo-sessions{TARGET.options} ensure-indexes`",
        ),
        (
            ExecutionTimeout("slow", 50),
            DATABASE,
            "slow: the server has too much to do. Ask for less, or raise --timeout",
        ),
        (
            AutoReconnect("db:27017: reset (configured timeouts: connectTimeoutMS: 20000.0ms)"),
            DATABASE,
            "the connection was lost: db:27017: reset",
        ),
        (
            OperationFailure("no to execute command { find: 'secret' }", 13),
            DATABASE,
            f"no. The user of the URI lacks a right: see `mongo-sessions{TARGET.options} doctor`",
        ),
        (DuplicateKeyError("E11000, full error: {'a': 1}", 11000), DATABASE, "E11000"),
    ],
)
def test_an_error_has_a_text_and_an_exit_code(error, code, text):
    told = command_error(error, TARGET)
    assert told is not None
    assert (told.code, str(told)) == (code, text)


def test_a_defect_is_not_told_as_an_error_of_the_user():
    assert command_error(RuntimeError("a defect"), TARGET) is None
    told = CommandError("as it is", NO)
    assert command_error(told, TARGET) is told


@pytest.mark.parametrize(
    "text",
    ["the URI mongodb://ann:hunt%40r2@db:27017/?w=1", "hunt%40r2", "hunt@r2", "ann:hunt%40r2"],
)
def test_no_password_is_told(text):
    told = str(command_error(ConfigurationError(text), TARGET))
    assert "r2" not in told
    assert str(command_error(ConfigurationError("a"), Target(None, "chats"))) == "a"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (59, "59 s"), (60, "1 min"), (7_200, "2 h"), (86_400, "1 d"), (9e5, "10 d")],
)
def test_a_time_is_told_in_its_largest_unit(seconds, text):
    assert ago(seconds) == text
