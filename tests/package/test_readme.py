"""The README's Python, run as it stands there; only the server and the model are stand-ins."""

from __future__ import annotations

import ast
import asyncio
import gc
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
from agents.models.multi_provider import MultiProvider
from agents.testing import ScriptedModel, assistant_message
from mongomock_motor import AsyncMongoMockClient

import mongo_sessions

README = Path(__file__).parents[2] / "README.md"
BLOCKS = [
    textwrap.dedent(block)
    for block in re.findall(
        r"^ *```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
]


@pytest.fixture
def namespace() -> dict[str, Any]:
    names = ("MongoSession", "MongoSessionStore", "TokenLimit")
    client = AsyncMongoMockClient()
    return {name: getattr(mongo_sessions, name) for name in names} | {"client": client}


# The quickstart leaves its client to the end of the process, as applications do.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("block", BLOCKS)
def test_a_python_block_runs(block, namespace, replica_set, monkeypatch, capsys):
    model = ScriptedModel([[assistant_message("Hello Ann.")]])
    monkeypatch.setattr(MultiProvider, "get_model", lambda self, name: model)
    source = block.replace("mongodb://localhost:27017", replica_set)
    code = compile(source, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, namespace)  # noqa: S307 - our own README
    if inspect.iscoroutine(result):
        asyncio.run(result)
    if "Runner.run" in block:
        assert capsys.readouterr().out == "Hello Ann.\n"
    gc.collect()  # the client, or its warning appears in a later test


def with_pymongo(quickstart: str) -> str:
    """The quickstart, changed as the README's diff says."""
    (diff,) = re.findall(r"```diff\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    removed = re.findall(r"^-(.*)$", diff, re.MULTILINE)
    added = re.findall(r"^\+(.*)$", diff, re.MULTILINE)
    for old, new in zip(removed, added, strict=True):
        assert old in quickstart
        quickstart = quickstart.replace(old, new)
    return quickstart


def test_the_quickstart_equals_the_type_checked_file():
    typed = Path(__file__).parents[1] / "typing"
    for driver, quickstart in [("motor", BLOCKS[0]), ("pymongo", with_pymongo(BLOCKS[0]))]:
        checked = (typed / f"quickstart_{driver}.py").read_text("utf-8")
        assert checked.endswith(f"\n\n{quickstart}"), f"tests/typing/quickstart_{driver}.py"


def test_the_readme_has_its_blocks():
    assert len(BLOCKS) == 7
    assert "AsyncIOMotorClient" in BLOCKS[0]
