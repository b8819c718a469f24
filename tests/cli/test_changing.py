"""The commands that change something, and Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import sys

import pytest

from mongo_sessions import MongoSessionStore
from tests.support.scribes import Scribe, turns

scribe = Scribe().__call__
HERE = f"{__name__}:scribe"
COMMAND = (sys.executable, "-m", "mongo_sessions")
FAULTHANDLER = {**os.environ, "PYTHONFAULTHANDLER": "1"}  # SIGABRT prints where it stands


async def fails(request):
    raise RuntimeError(request.transcript)


async def test_fold_makes_the_summaries_that_are_due(database, run):
    for name in ("a", "b"):
        await MongoSessionStore(database).session(name).add_items(turns(1, 15))
    due = ("fold", "--policy", "summarize-older:1000", "--summarizer", HERE)
    folded = await run(*due, "--json")
    records = [json.loads(line) for line in folded.out.splitlines()]
    assert folded.code == 0
    assert {record["session_id"] for record in records} == {"a", "b"}
    again = await run(*due)
    assert again.out == "0 summaries made\n"
    assert (await run("summary", "a")).code == 0


async def test_a_fold_that_fails_has_an_exit_code_and_tells_no_text(database, run):
    await MongoSessionStore(database).session("a").add_items(turns(1, 15))
    failing = ("--summarizer", f"{__name__}:fails")
    folded = await run("fold", "--policy", "summarize-older:1000", *failing)
    assert folded.code == 1
    assert "1 summaries failed (RuntimeError)" in folded.err
    assert "question-1" not in folded.out + folded.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "which summariser?"),
        (("--summarizer", HERE, "--model", "gpt-5-mini"), "not both"),
        (("--summarizer", "no_such_module:x"), "No module named 'no_such_module'"),
        (("--summarizer", f"{__name__}:nothing"), "has no attribute 'nothing'"),
        (("--summarizer", "json:dumps"), "must be a coroutine function"),
        (("--policy", "token-limit:1000"), "makes no summaries"),
    ],
)
async def test_a_fold_without_a_summariser_is_wrong_usage(database, run, arguments, message):
    folded = await run("fold", *arguments)
    assert folded.code == 2
    assert message in folded.err
    assert len(folded.err.splitlines()) == 1


async def test_recount_counts_again(database, run):
    await MongoSessionStore(database, token_counter=None).session("a").add_items(turns(1, 5))
    counted = json.loads((await run("recount", "--json")).out)
    assert counted == {"sessions": 1, "items": 10, "changed": 10}
    assert "0 had other counts" in (await run("recount")).out


async def test_rm_asks_first(filled, run, monkeypatch):
    refused = await run("rm", "user-1:long")
    assert refused.code == 2
    assert "--yes" in refused.err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    asked = []

    def answer(question, **_):
        asked.append(question)
        return len(asked) > 1

    monkeypatch.setattr("typer.confirm", answer)
    assert (await run("rm", "user-1:long", "user-2:tools")).code == 1
    assert asked[0].startswith("Delete 2 sessions with 28 items from ")
    assert len((await run("ls", "--by", "id", "--json")).out.splitlines()) == 2
    removed = await run("rm", "user-1:long")
    assert removed.code == 0
    assert "24 items" in removed.out
    assert len((await run("ls", "--by", "id", "--json")).out.splitlines()) == 1


async def test_rm_deletes_nothing_if_one_session_is_unknown(filled, run):
    removed = await run("rm", "user-1:long", "user-9", "--yes")
    assert removed.code == 1
    assert "'user-9'" in removed.err
    assert (await run("show", "user-1:long")).code == 0


def hears_ctrl_c() -> None:
    """A process in the background of a shell ignores it, and so would what it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


async def interrupted(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    """The exit code after Ctrl-C, and what is left on its stderr; where it stands if it hangs."""
    process.send_signal(signal.SIGINT)
    try:
        _, err = await asyncio.wait_for(process.communicate(), 60)
    except asyncio.TimeoutError:
        process.send_signal(signal.SIGABRT)
        _, err = await process.communicate()
        pytest.fail(f"it does not end:\n{err.decode()}")
    return process.returncode, err.decode()


async def test_ctrl_c_ends_a_tail_with_130(filled, replica_set):
    """In a process of its own: a signal goes to a process."""
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "-d", filled.name, "tail", "-f", "user-2:tools"),
        env={**FAULTHANDLER, "MONGODB_URI": replica_set},
        preexec_fn=hears_ctrl_c,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    await process.stdout.readuntil(b"Late.\n")
    await (
        MongoSessionStore(filled)
        .session("user-2:tools")
        .add_items([{"role": "user", "content": "Thank you."}])
    )
    await process.stdout.readuntil(b"Thank you.\n")
    assert await interrupted(process) == (130, "mongo-sessions: stopped\n")


async def test_ctrl_c_ends_the_question_of_rm_and_deletes_nothing(filled, replica_set, run):
    """In a process of its own, whose standard input is a terminal."""
    ours, its = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "-d", filled.name, "rm", "user-1:long"),
        env={**FAULTHANDLER, "MONGODB_URI": replica_set},
        preexec_fn=hears_ctrl_c,
        stdin=its,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    await process.stderr.readuntil(b"[y/N]:")
    code, err = await interrupted(process)
    os.close(ours)
    os.close(its)
    assert code == 130
    assert err.endswith("mongo-sessions: stopped\n")
    assert (await run("show", "user-1:long")).code == 0
