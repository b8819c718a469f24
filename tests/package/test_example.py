"""The demo, as `make demo` starts it, with fewer turns."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from mongo_sessions import SummaryRequest, TiktokenCounter

# Not beside the package: that may be an installed wheel.
ROOT = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").exists())
DEMO = ROOT / "examples" / "demo"
# Few turns; but with them, the facts have left the window of TokenLimit, and a summary is made.
TURNS, MAX_TOKENS = 24, 6_000
FACTS = ("My booking code is QX-4711.", "I am allergic to peanuts.", "Always use metric units.")


@pytest.fixture(scope="module")
def picture(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("demo") / "picture.svg"


@pytest.fixture(scope="module")
def totals(picture) -> dict[str, list[str]]:
    """The last table that the demo prints: the cells of each row by its name."""
    command = [sys.executable, str(DEMO / "long_running_assistant.py")]
    command += ["--turns", str(TURNS), "--max-tokens", str(MAX_TOKENS), "--picture", str(picture)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    rows = [line.split("│")[1:-1] for line in ended.stdout.splitlines() if "│" in line]
    return {name.strip(): [cell.strip() for cell in cells] for name, *cells in rows}


def numbers(cells: list[str]) -> list[int]:
    return [int(cell.split()[0].replace(",", "")) for cell in cells if cell]


def test_every_column_has_the_same_turns_and_the_last_one_is_shown(totals):
    assert str(TURNS + 3 * 8) in totals, "each fact, a turn after it, and a question for it"
    assert len(set(numbers(totals["model calls"]))) == 1


def test_the_policies_stay_within_the_budget_that_sending_everything_exceeds(totals):
    everything, limited, summarised, recalled = numbers(totals["largest view"])
    assert 0 < limited <= MAX_TOKENS
    assert 0 < summarised <= MAX_TOKENS
    assert 0 < recalled <= MAX_TOKENS + 1_000
    assert everything > MAX_TOKENS


def test_a_summary_keeps_facts_that_a_window_drops_and_recall_finds_them(totals):
    everything, limited, summarised, recalled = numbers(totals["facts still known"])
    assert everything == summarised == recalled == 8
    assert limited < 8


def test_a_policy_sends_less_with_its_summaries_counted(totals):
    assert totals["all these tokens together"][0] == "100.0%"
    assert all(float(cell.strip("%")) < 100 for cell in totals["all these tokens together"][1:])
    (calls,), (given,), (returned,) = (
        numbers(totals[name]) for name in ("summariser calls", "tokens given", "tokens returned")
    )
    assert calls > 0
    assert given > returned > 0


def test_the_picture_has_a_line_for_each_column(totals, picture):
    root = ET.fromstring(picture.read_text(encoding="utf-8"))  # noqa: S314 - our own
    svg = "{http://www.w3.org/2000/svg}"
    for column in ("everything", "TokenLimit", "SummarizeOlder"):
        (line,) = root.findall(f".//{svg}g[@id='{column}']/{svg}path")
        assert len(re.findall("[ML]", line.attrib["d"])) == TURNS + 3 * 8


async def test_the_offline_summariser_keeps_facts_through_merges(monkeypatch):
    monkeypatch.syspath_prepend(str(DEMO))
    extract = importlib.import_module("offline").extract
    counter = TiktokenCounter()
    talk = "[2026-01-01 10:00] user: What about it? Well, it came on Monday, as it always did."
    summary = ""
    for fact in FACTS:
        told = "\n".join([talk, f"[2026-01-01 10:01] user: Hello. {fact}", talk])
        answer = await extract(SummaryRequest("fold", told, summary, wanted_tokens=40))
        transcript = f"{summary}\n\n{answer}"
        summary = await extract(SummaryRequest("merge", transcript, "", wanted_tokens=40))
        assert counter({"role": "user", "content": summary}) <= 40
        assert 0 < len(summary) < len(transcript)
    assert [fact for fact in FACTS if fact in summary] == list(FACTS)


async def test_the_offline_summariser_has_an_answer_where_there_is_no_room(monkeypatch):
    monkeypatch.syspath_prepend(str(DEMO))
    extract = importlib.import_module("offline").extract
    request = SummaryRequest("fold", "[2026-01-01 10:00] user: " + "word " * 50, "", 10)
    assert (await extract(request)).startswith("word")
