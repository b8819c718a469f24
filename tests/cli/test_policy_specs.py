"""What ``--policy`` takes beside the names of policies: an object of the application."""

from __future__ import annotations

import sys

import pytest

from mongo_sessions import LastTurns
from mongo_sessions.cli.policy_specs import policy_of
from mongo_sessions.cli.target import CommandError

MODULE = """
from mongo_sessions import LastTurns

class Policies:
    short = LastTurns(2)
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a policy, and with a module that imports what is not there."""
    (tmp_path / "policies_of_a_test.py").write_text(MODULE, "utf-8")
    (tmp_path / "broken_of_a_test.py").write_text("import not_there_at_all", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    yield tmp_path
    for name in ("policies_of_a_test", "broken_of_a_test"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("here")
def test_an_object_of_a_module_in_the_current_folder():
    assert repr(policy_of("policies_of_a_test:Policies.short")) == repr(LastTurns(2))


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("policies_of_a_test", "--policy must be none, token-limit:TOKENS"),
        ("policies_of_a_test:", "--policy must be none, token-limit:TOKENS"),
        (":Policies", "--policy must be module:attribute, got ':Policies'"),
        ("policies_of_a_test:long", "--policy policies_of_a_test:long: module"),
        ("no_such_module:short", "there is no module 'no_such_module' in this folder"),
    ],
)
def test_what_names_no_policy_is_told(text, message):
    with pytest.raises(CommandError) as raised:
        policy_of(text)
    assert str(raised.value).startswith(message) or message in str(raised.value)


@pytest.mark.usefixtures("here")
def test_a_module_that_cannot_be_imported_says_why():
    with pytest.raises(ModuleNotFoundError, match="not_there_at_all"):
        policy_of("broken_of_a_test:short")
