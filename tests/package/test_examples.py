"""The scripts in examples/: each runs as it stands and prints what its docstring says."""

from __future__ import annotations

import ast
import re
import runpy
import textwrap
from pathlib import Path

import pytest

# Not beside the package: that may be an installed wheel.
ROOT = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").exists())
EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py"))


def printed(name: str) -> str:
    """What the docstring of an example says that it prints."""
    docstring = ast.get_docstring(ast.parse((EXAMPLES / name).read_text("utf-8")))
    assert docstring
    _, found, block = docstring.partition("Prints:\n\n")
    assert found, name
    return textwrap.dedent(block) + "\n"


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_prints_what_its_docstring_says(name, replica_set, monkeypatch, capsys):
    monkeypatch.setenv("MONGODB_URI", replica_set)
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    captured = capsys.readouterr()
    assert captured.out == printed(name)
    assert captured.err == ""


def test_every_example_is_short_and_says_where_the_real_parts_go():
    for name in SCRIPTS:
        text = (EXAMPLES / name).read_text("utf-8")
        assert 12 <= len(text.splitlines()) <= 80, name
        assert re.search("Put (the|your)|TokenLimit", text), name
