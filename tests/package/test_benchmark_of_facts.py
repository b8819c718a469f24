"""The benchmark of remembered facts: a quick run prints its tables, and its parts count right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.facts.conversation import Fact, facts_in, newest
from benchmarks.facts.memory import Record, recalls
from benchmarks.facts.prefix import prefix
from benchmarks.facts.runs import any_length, count_characters, run
from benchmarks.facts.standins import STANDINS, Standin, tokens_of
from mongo_sessions import SummaryRequest, TokenLimit

ROOT = Path(__file__).parents[2]


def test_a_quick_run_prints_all_tables():
    command = [sys.executable, "-m", "benchmarks.facts", "--quick"]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for standin in STANDINS:
        assert standin.name in ended.stdout
    for policy in ("TokenLimit", "LastTurns", "TrimToolOutputs", "the run is not bounded"):
        assert policy in ended.stdout
    assert "its figures mean nothing" in ended.stdout


def test_the_later_of_two_values_is_remembered():
    text = "a-1 = 5\nb-2 = 6, and a-1 = 7."
    assert facts_in(text) == {"b-2": "6", "a-1": "7"}
    assert list(facts_in(text)) == ["b-2", "a-1"]
    assert newest([Fact("a-1", "5"), Fact("a-1", "7")]) == {"a-1": "7"}


def test_an_older_value_is_stale_and_a_missing_one_is_not():
    record = Record()
    facts = [Fact("a-1", "5"), Fact("b-1", "6"), Fact("a-1", "7")]
    first = record.recall(facts, "a-1 = 5")
    assert (first.told, first.right, first.first, first.stale) == (2, 0, 0, 1)
    second = record.recall(facts, "a-1 = 5 b-1 = 6")
    assert (second.right, second.first, second.stale) == (1, 1, 2)


@pytest.mark.parametrize(("drops", "kept"), [("oldest", [7, 8, 9]), ("newest", [0, 1, 2])])
async def test_a_standin_stays_within_wanted_tokens(drops, kept):
    lines = [f"a-{n} = {n}" for n in range(10)]
    wanted = tokens_of("\n".join(lines[:3]) + "\n")
    told = await Standin("", drops)(SummaryRequest("fold", "\n".join(lines), "", wanted))
    assert facts_in(told) == {f"a-{n}": str(n) for n in kept}
    assert tokens_of(told) <= wanted


async def test_within_the_budget_both_kinds_of_summary_keep_all_facts():
    async for ours, rolling in recalls(STANDINS[0], 16_000, 4, folds=4):
        assert ours == rolling
    assert ours.right == ours.told > 16
    assert (ours.first, ours.stale) == (8, 0)


async def test_a_policy_without_a_limit_repeats_each_prompt_as_a_prefix():
    async def everything(history):
        return [entry.item for entry in history.entries]

    async def newest_alone(history):
        return [entry.item for entry in history.entries][-1:]

    found = await prefix(everything, lambda chance: 100, total=2_000)
    assert found.same > 0.8
    assert found.shown == 950
    assert (await prefix(newest_alone, lambda chance: 100, total=2_000)).same < 0.1


async def test_a_run_is_bounded_by_the_filter_and_grows_without_it():
    bounded = await run(TokenLimit(16_000), any_length, calls=20)
    unbounded = await run(None, any_length, calls=20)
    assert bounded.largest <= 16_000 < unbounded.largest
    assert bounded.sent < unbounded.sent
    assert unbounded.same > bounded.same > 0
    assert count_characters({"role": "user", "content": "x" * 400}) == 104
