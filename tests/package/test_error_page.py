"""docs/errors.md has a section for each error that a user may see."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from mongo_sessions import errors
from mongo_sessions.cli.failures import command_error
from mongo_sessions.cli.target import Target

PAGE = (Path(__file__).parents[2] / "docs" / "errors.md").read_text("utf-8")
SECTIONS = set(re.findall(r"^### (\w+)$", PAGE, re.MULTILINE))

IN_APPLICATIONS = {"SessionDeleted", "StoreClosed", "WrongEventLoop"}


def public_errors() -> set[str]:
    return {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and value.__module__ == errors.__name__
    }


def test_each_public_error_has_a_section():
    assert public_errors() - SECTIONS == set()


def test_each_section_is_about_an_error():
    of_the_driver = {
        "AutoReconnect",
        "ConfigurationError",
        "DuplicateKeyError",
        "InvalidOperation",
        "InvalidURI",
        "OperationFailure",
        "ServerSelectionTimeoutError",
    }
    assert SECTIONS - public_errors() == of_the_driver


@pytest.mark.parametrize("name", sorted(public_errors() - IN_APPLICATIONS))
def test_the_command_tells_an_error_in_one_line(name):
    error = getattr(errors, name)("first\nsecond of hunter2")
    told = command_error(error, Target("mongodb://ann:hunter2@localhost/"))
    assert told is not None
    assert str(told) == "first second of ***"
    assert told.code in (1, 2, 3)
