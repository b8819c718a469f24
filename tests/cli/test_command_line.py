"""The command line itself: options, help, errors, text that is not for a terminal."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import pytest

from mongo_sessions import MongoSessionStore
from mongo_sessions.cli import main
from mongo_sessions.cli.common_options import hoisted
from mongo_sessions.cli.item_text import item_text
from mongo_sessions.cli.output import printable

COMMANDS = ["ls", "show", "view", "why", "find", "tail", "summary", "stats", "doctor"]
COMMANDS += ["export", "fold", "recount", "import", "ensure-indexes", "rm"]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_tells_every_option(command, capsys, monkeypatch):
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert main([*filter(None, [command]), "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Usage: mongo-sessions")
    if not command:
        assert all(f"  {name} " in text for name in COMMANDS)


def test_help_needs_no_driver():
    program = """
import sys
from mongo_sessions.cli import main
main(["--help"])
for module in ("pymongo", "motor", "tiktoken", "asyncio.runners", "mongo_sessions.exports"):
    assert module not in sys.modules or module == "asyncio.runners", module
"""
    began = time.process_time()
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)
    assert time.process_time() - began < 5


def test_without_the_extra_one_line_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "typer", None)
    assert main(["ls"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "pip install 'mongo-sessions[cli]'" in told


def test_common_options_may_stand_behind_the_command():
    given = ["ls", "--json", "--prefix", "a", "--uri=mongodb://h", "-d", "db", "--", "--json"]
    common = ["--json", "--uri=mongodb://h", "-d", "db"]
    assert hoisted(given) == [*common, "ls", "--prefix", "a", "--", "--json"]
    assert hoisted(["ls", "--json", "--uri"]) == ["--json", "--uri"]


async def test_options_behind_the_command_are_used(filled, run):
    assert (await run("ls", "--json", "--collection", "other")).out == ""


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("show", "nobody"), 1, "there is no session 'nobody' in "),
        (("show", "user-2:tools", "--from", "9"), 1, "has no items from 9 on"),
        (("find", "user-2:tools", "zebra"), 1, "no item of session 'user-2:tools' has"),
        (("why", "user-2:tools", "99"), 1, "there is no item 99 in session"),
        (("view", "user-2:tools", "--policy", "foo"), 2, "--policy must be none, token-limit:"),
        (("view", "user-2:tools", "--policy", "token-limit:x"), 2, "needs a number"),
        (("view", "user-2:tools", "--policy", "last-turns:0"), 2, "must be at least 1, got 0"),
        (("view", "user-2:tools", "--policy", "json:dumps"), 2, "must be a coroutine function"),
        (("ls", "--after", "user-2:tools"), 2, "after must be"),
        (("export", "-o", "/no/such/folder/a"), 2, "/no/such/folder/.a.part: No such file"),
    ],
)
async def test_an_error_is_one_line_and_an_exit_code(filled, run, arguments, code, message):
    failed = await run(*arguments)
    assert (failed.code, failed.out) == (code, "")
    assert failed.err.startswith("mongo-sessions: ")
    assert message in failed.err
    assert failed.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ls", "--limit", "0"), "'--limit' / '-n': Input should be greater than or equal to 1."),
        (("ls", "--limi", "3"), "No such option: --limi (Possible options: --limit)."),
        (("ls", "--by", "size"), "'--by': 'size' is not one of 'activity', 'id'."),
        (("ls", "extra"), "unexpected extra argument(s) (extra)."),
        (("ls", "--uri"), "Option '--uri' requires an argument."),
        (("--timeout", "soon", "ls"), "'--timeout': Input should be a valid number"),
        (("shw", "a"), "No such command 'shw'. Did you mean 'show'?"),
        (("show",), "Missing argument 'ID'."),
        (("show", "a", "--from", "0"), "'--from': Input should be greater than or equal to 1."),
        (("find", "a"), "Missing argument 'WORDS…'."),
        (("--json",), "Missing command."),
        (("l\x1b[31ms",), "No such command 'l\\x1b[31ms'."),
        (("import",), "give FILE, an export (- is stdin), or --from SOURCE"),
        (("import", "a", "--from", "sqlite:b"), "give FILE, an export (- is stdin), or --from"),
        (("import", "a", "--session", "b"), "--session goes with --from"),
    ],
)
@pytest.mark.parametrize("terminal", [False, True])
async def test_wrong_usage_is_one_line_that_says_where_help_is(run, arguments, message, terminal):
    failed = await run(*arguments, terminal=terminal)
    assert (failed.code, failed.out) == (2, "")
    assert failed.err.startswith("mongo-sessions: ")
    assert message in failed.err
    assert failed.err.count("\n") == 1
    if message.endswith((".", "?")):
        assert " See `mongo-sessions " in failed.err
        assert failed.err.endswith("--help`\n")


def test_without_a_command_there_is_help(capsys):
    assert main([]) == 2
    assert "Usage: mongo-sessions" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("uri", "code", "message"),
    [
        ("mongodb://ann:hunter2@127.0.0.1:1/", 3, "no MongoDB server was reached in"),
        ("mongodb://ann:hun/ter2@127.0.0.1/", 2, "percent-escaped"),
        ("http://ann:hunter2@127.0.0.1/", 2, "Invalid URI scheme"),
        ("", 2, "Set MONGODB_URI, or pass --uri"),
    ],
)
@pytest.mark.parametrize("command", ["ls", "doctor"])
async def test_a_uri_that_leads_nowhere_is_told_without_its_password(
    run, uri, code, message, command
):
    failed = await run(command, "--timeout", "0.3", uri=uri)
    is_finding = command == "doctor" and code == 3
    assert failed.code == (1 if is_finding else code)
    assert message in failed.out + failed.err
    assert "hun" not in failed.out + failed.err


async def test_a_foreign_collection_is_refused(database, run):
    await database["session_items"].insert_one({"name": "Ann"})
    for command in (("ls",), ("show", "a"), ("stats",)):
        refused = await run(*command)
        assert refused.code == 3
        assert "documents that are not of mongo-sessions" in refused.err


async def test_any_item_is_shown(database, run):
    """Lone surrogates, control characters, and items of no known shape."""
    odd = [
        {"role": "user", "content": "\ud800 \x1b]0;title\x07 \u202eevil [bold]not bold[/bold]"},
        {"role": "user", "content": [{"type": "input_image", "image_url": "data:,"}, {"text": 5}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "thinking"}]},
        {"type": "web_search_call", "id": "ws_1", "action": {"type": "search", "query": "q"}},
        {"x": None},
        {},
        {"type": 5, "content": {"$date": 1}},
    ]
    await MongoSessionStore(database).session("a").add_items(odd)
    for options in ((), ("--full",), ("--json",)):
        for terminal in (False, True):
            shown = await run("show", "a", *options, terminal=terminal)
            assert shown.code == 0
            assert "\x1b]" not in shown.out
            assert "\u202e" not in shown.out
            assert "[bold]" in shown.out


def test_long_outputs_are_folded_to_one_line():
    told = item_text({"type": "function_call_output", "output": "line\n" * 100})
    assert told.speaker == "tool output"
    assert "\n" not in told.text
    assert told.text.endswith("… (500 characters)")


def test_line_ends_and_tabs_are_printable():
    assert printable("a\n\tb\x00é\x9b") == "a\n\tb\\x00é\\x9b"


@pytest.mark.parametrize(
    "command", ["show user-1:long", "export", "ls --json", "stats", "doctor", "--help"]
)
async def test_a_reader_that_ends_early_is_no_error(filled, replica_set, command):
    command = f"{sys.executable} -m mongo_sessions -d {filled.name} {command} | head -1"
    environment = {"MONGODB_URI": replica_set, "PATH": "/usr/bin:/bin"}
    ran = await asyncio.to_thread(
        subprocess.run,
        ["/bin/bash", "-o", "pipefail", "-c", command],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, b"")


async def test_a_full_disk_is_told_in_one_line(filled, replica_set):
    command = f"{sys.executable} -m mongo_sessions -d {filled.name} export >/dev/full"
    ran = await asyncio.to_thread(
        subprocess.run,
        ["/bin/bash", "-c", command],
        env={"MONGODB_URI": replica_set, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=False,
    )
    told = b"mongo-sessions: output: No space left on device\n"
    assert (ran.returncode, ran.stderr) == (2, told)
