"""Lines of progress, and an output that is not of UTF-8."""

from __future__ import annotations

import io
import sys

from mongo_sessions.cli import main, output
from mongo_sessions.cli.output import Output

ERASE = "\r\x1b[K"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_one_line_that_is_replaced_ten_times_a_second_and_removed(monkeypatch):
    terminal, now = Terminal(), [100.0]
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(output.time, "monotonic", lambda: now[0])
    out = Output(as_json=True)
    out.progress("1 session")
    now[0] += 0.09
    out.progress("2 sessions")
    now[0] += 0.02
    out.progress("3 sessions: \x1b[31m")
    out.end_progress()
    out.end_progress()
    assert terminal.getvalue() == f"{ERASE}1 session{ERASE}3 sessions: \\x1b[31m{ERASE}"


def test_without_a_terminal_there_is_no_progress(capsys):
    out = Output(as_json=False)
    out.progress("1 session")
    out.end_progress()
    assert capsys.readouterr() == ("", "")


def test_what_the_encoding_of_the_output_lacks_is_escaped(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii", newline="\n"))
    Output(as_json=False).line("Zürich 語")
    sys.stdout.flush()
    assert written.getvalue() == b"Z\\xfcrich \\u8a9e\n"


def test_the_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("mongo-sessions ")
