"""Memory, connections and tasks do not grow with the number of sessions: see soak.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import run_server
from tests.support.soak import OBSERVERS, POOL, TURNS

ROOT = Path(__file__).parents[2]
# ``make soak`` runs 2,000.
SESSIONS = int(os.environ.get("SOAK_SESSIONS", "200"))

# Without any leak, the allocator takes up to 2.5 MB more, most of it in the first turns. A leak of
# 1 KB a turn would be twice what is allowed, one of a container a turn fifty times.
ALLOCATOR_BYTES, BYTES_PER_TURN = 3_000_000, 100
# A leak of one object a turn would be 8,000 of them.
OTHER_OBJECTS, OBJECTS_PER_TURN = 500, 0.02


@pytest.fixture
def server():
    """A server of its own: all its connections belong to the soak."""
    yield from run_server(parameters={"enableTestCommands": 1})


def test_sessions_of_50_turns_leave_nothing_behind(server, capsys):
    command = [sys.executable, "-W", "error", "-m", "tests.support.soak", server, str(SESSIONS)]
    workers = {"MOTOR_MAX_WORKERS": str(POOL)}  # as many as it uses at once, from the beginning
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **workers},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        reports = []
        for line in process.stdout:
            reports.append(json.loads(line))
            with capsys.disabled():
                print(line, end="")
        errors = process.stderr.read()
    # What is not closed, awaited or finished is said there, when it is collected or at the end.
    assert errors == ""
    assert process.returncode == 0

    first, *_, last, end = reports
    assert last["turns"] == SESSIONS * TURNS
    turns = last["turns"] - first["turns"]
    grown = (last["resident_kb"] - first["resident_kb"]) * 1024
    assert grown < ALLOCATOR_BYTES + BYTES_PER_TURN * turns
    # A store remembers when it has written the card of a session last: of at most 10,000 sessions.
    cards = (last["turns"] - first["turns"]) // TURNS
    allowed = OTHER_OBJECTS + OBJECTS_PER_TURN * turns + cards
    assert last["objects"] - first["objects"] < allowed
    # PyMongo has a few to watch the server, and one more now and then; a session's would be many.
    assert last["tasks"] < 10
    assert last["threads"] == first["threads"]
    for report in reports:
        assert report["cursors"] == 0
    for report in (first, last):  # two clients, which have two more each to watch the server
        assert report["connections"] == OBSERVERS + 2 * (POOL + 2)
    assert end["connections"] == OBSERVERS
    assert end["tasks"] == 0
