"""The benchmark of Recall: a quick run prints its tables, and its parts count right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.recall import generated
from benchmarks.recall.conversations import Question
from benchmarks.recall.measure import Prompts, places_in_block

ROOT = Path(__file__).parents[2]


def test_a_quick_run_prints_all_tables():
    command = [sys.executable, "-m", "benchmarks.recall", "--quick"]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for words in ("window of 16,000", "recalled alone", "no stems", "a greeting", "points"):
        assert words in ended.stdout
    assert "its figures mean nothing" in ended.stdout


def test_the_generated_conversation_is_the_same_each_time_and_tells_its_facts():
    conversation = generated.conversation(quick=True)
    assert conversation == generated.conversation(quick=True)
    corrected = [one for one in conversation.questions if one.older is not None]
    assert corrected
    for question in conversation.questions:
        [place] = question.evidence
        assert conversation.turns[place - 1].role == "user"
        assert question.older is None or question.older < place


def test_evidence_is_a_share_and_a_newer_value_must_be_behind_the_older_one():
    found = Prompts()
    found.add(Question("?", frozenset({3, 9})), [1, 2, 3])
    assert found.share == 0.5
    found.add(Question("?", frozenset({9}), older=4), [4, 9])
    found.add(Question("?", frozenset({9}), older=4), [9, 4])
    assert (found.corrected, found.newest_last) == (2, 1)


def test_the_places_of_a_block_are_those_at_the_beginnings_of_its_lines():
    text = "<conversation_record>\nLabel\n[2026-01-01]\n#3 user: a\n  #4 user: no\n#12 user: b\n"
    assert places_in_block([{"role": "user", "content": text}, {}]) == [3, 12]
    assert places_in_block([{"role": "user", "content": "#3 user: a"}, {}]) == []
