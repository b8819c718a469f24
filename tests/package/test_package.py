"""The package as a whole: its exports, and the direction of its imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mongo_sessions
from mongo_sessions import exports, policies
from mongo_sessions.policies import summarize

SOURCE = Path(mongo_sessions.__file__).parent
ROOT = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").exists())


@pytest.mark.parametrize("module", [mongo_sessions, policies, summarize])
def test_all_lists_every_export_in_order(module):
    for name in module.__all__:
        getattr(module, name)  # the first use imports it
    public = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not isinstance(value, type(sys))
    } - {"version", "import_module", "TYPE_CHECKING"}
    assert public == set(module.__all__) - {"__version__"}
    assert module.__all__ == sorted(module.__all__)


def test_the_public_names_are_imported_at_the_first_use_of_one():
    program = """
import sys, mongo_sessions, mongo_sessions.cli
assert "pymongo" not in sys.modules and "typer" not in sys.modules
assert set(mongo_sessions.__all__) <= set(dir(mongo_sessions))
from mongo_sessions import MongoSessionStore
assert mongo_sessions.policies.TokenLimit is mongo_sessions.TokenLimit
assert "typer" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
    with pytest.raises(AttributeError, match="'mongo_sessions' has no attribute 'Store'"):
        _ = mongo_sessions.Store


def test_exports_are_the_public_names():
    assert set(exports.__all__) == set(mongo_sessions.__all__) - {"__version__"}


def test_every_export_of_the_policies_is_documented():
    undocumented = [name for name in policies.__all__ if not getattr(policies, name).__doc__]
    assert set(undocumented) <= {"Item", "Summary"}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or ""))
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found


def test_policies_know_no_database_and_nothing_around_them():
    for path in (SOURCE / "policies").glob("*.py"):
        assert not any(name.startswith("..") for name in imports(path)), path
        text = path.read_text().replace("mongo_sessions", "")
        assert "mongo" not in text.lower(), path


def test_importing_the_package_does_not_import_the_sdk():
    """The SDK takes a second to import, and an application has imported it already."""
    code = "import sys, mongo_sessions; assert not {'agents', 'tiktoken'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_making_a_session_does_not_import_the_sdk():
    code = """if True:
        import sys
        from pymongo import AsyncMongoClient
        from mongo_sessions import MongoSessionStore, TokenLimit
        database = AsyncMongoClient("mongodb://127.0.0.1:1")["agents"]
        session = MongoSessionStore(database, policy=TokenLimit(8_000)).session("a")
        assert "agents" not in sys.modules
        assert session.session_settings.limit is None
        assert "agents" in sys.modules
    """
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_policies_are_visible_at_the_top():
    assert (ROOT / "policies").readlink() == Path("mongo_sessions/policies")
