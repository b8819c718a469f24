"""The files in examples/: each runs as it stands and prints what its docstring says."""

from __future__ import annotations

import ast
import json
import os
import re
import runpy
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

# Not beside the package: that may be an installed wheel.
ROOT = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").exists())
EXAMPLES = ROOT / "examples"
SERVER = "fastapi_app.py"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py") if path.name != SERVER)


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
    for name in [*SCRIPTS, SERVER]:
        text = (EXAMPLES / name).read_text("utf-8")
        assert 12 <= len(text.splitlines()) <= 80, name
        assert re.search("Put (the|your)|TokenLimit", text), name


@contextmanager
def serve(uri: str, workers: int) -> Iterator[tuple[str, list[str]]]:
    """The address of the FastAPI application, and what it logged until it was ready."""
    command = [sys.executable, "-m", "uvicorn", "fastapi_app:app", "--app-dir", str(EXAMPLES)]
    command += ["--port", "0", "--workers", str(workers)]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    server = subprocess.Popen(
        command,
        env=os.environ | {"MONGODB_URI": uri, "PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr
        log: list[str] = []
        for line in server.stderr:
            log.append(line)
            if sum("startup complete" in one for one in log) == workers:
                break
        match = re.search(r"running on (http://[\d.:]+)", "".join(log))
        assert match, "".join(log)
        yield match[1], log
    finally:
        server.terminate()
        server.communicate(timeout=30)


def get(address: str) -> str:
    with urlopen(address, timeout=30) as response:  # noqa: S310 - our own server, on loopback
        return response.read().decode()


def test_the_web_application_streams_answers_from_several_workers_into_one_session(replica_set):
    texts = [f"Hello{number}" for number in range(8)]
    with serve(replica_set, workers=2) as (address, log):
        assert sum("Started server process" in line for line in log) == 2
        get(f"{address}/ready")
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(get, (f"{address}/chat/web?text={text}" for text in texts)))
        assert answers == [f"You said: {text}" for text in texts]
        entries = json.loads(get(f"{address}/history/web"))
        said = [entry["item"]["content"] for entry in entries if "role" in entry["item"]]
        assert sorted(text for text in said if isinstance(text, str)) == texts
        assert [entry["seq"] for entry in entries] == list(range(1, 2 * len(texts) + 1))
        assert json.loads(get(f"{address}/history/web?after_seq={entries[-2]['seq']}")) == [
            entries[-1]
        ]
