"""The benchmarks: a quick run produces every figure; the values are not tested."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import alone, costs, crowds
from benchmarks.__main__ import read_options
from benchmarks.contenders import BARE, OURS, SDK_MONGO, SDK_ON, SDK_SQLITE
from benchmarks.race import DOCUMENTS_EXAMINED, ROUND_TRIPS, TIME, Figure, Lane, Pace, race
from benchmarks.run import QUICK
from benchmarks.targets import targets, verdicts

ROOT = Path(__file__).parents[2]

COMMON = [
    *map(alone.append_name, alone.APPENDED),
    *map(alone.newest_name, QUICK.sizes),
    alone.EVERYTHING_NAME,
    alone.POP_NAME,
    alone.TURN_NAME,
]
VIEWS = [alone.view_name(policy, size) for policy in alone.VIEWS for size in QUICK.sizes]
OF_CROWDS = [
    crowds.writers_name(QUICK, writers, items)
    for writers in crowds.WRITERS
    for items in crowds.WRITTEN
]
IN_PROCESSES = [crowds.processes_name(QUICK, items) for items in crowds.WRITTEN]
ON_MONGO = {*OURS.values(), *BARE.values(), SDK_MONGO}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def run(folder) -> tuple[str, dict[str, Any]]:
    """The output of a quick run, and its JSON."""
    file = folder / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--json", str(file)]
    command += ["--picture", str(folder / "figures.svg")]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout, json.loads(file.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def medians(run) -> dict[tuple[str, str, str], float]:
    return {(f["measure"], f["work"], f["contender"]): f["median"] for f in run[1]["figures"]}


def contenders(medians, measure: str, work: str) -> set[str]:
    return {found[2] for found in medians if found[:2] == (measure, work)}


def test_the_picture_has_a_bar_for_ours_and_the_driver_wherever_the_sdk_has_a_figure(
    run, folder, medians
):
    texts = re.findall(r"<text [^>]*>([^<]*)</text>", (folder / "figures.svg").read_text("utf-8"))
    labels = "|".join(texts)
    works = [work for (measure, work, name) in medians if (measure, name) == (TIME, SDK_MONGO)]
    assert "|".join(works) in labels
    for contender in (*OURS.values(), BARE["Motor"]):
        ratios = [
            f"{medians[TIME, work, contender] / medians[TIME, work, SDK_MONGO]:.2f}"
            for work in works
            if (TIME, work, contender) in medians
        ]
        assert "|".join(ratios) in labels, contender


def test_each_contender_competes_or_is_left_out_with_a_reason(run):
    present, left_out = run[1]["guarantees"], run[1]["left_out"]
    assert {*present, *left_out} == {*ON_MONGO, SDK_SQLITE, *SDK_ON.values()}
    assert all({**present, **left_out}.values())


def test_each_piece_of_work_has_a_time_of_each_capable_contender(run, medians):
    present = set(run[1]["guarantees"])
    without_floor = present - set(BARE.values())
    for work in [*COMMON, crowds.at_once_name(QUICK)]:
        assert contenders(medians, TIME, work) == present, work
    for work in [*OF_CROWDS, alone.ANEW_NAME]:
        assert contenders(medians, TIME, work) == without_floor, work
    for work in IN_PROCESSES:
        assert contenders(medians, TIME, work) == {*OURS.values(), SDK_MONGO}, work
    for work in VIEWS:
        assert contenders(medians, TIME, work) == {*OURS.values(), *BARE.values()}, work
    assert min(medians.values()) >= 0


def test_costs_and_footprints_are_there(run, medians):
    for work in COMMON:
        for measure in (ROUND_TRIPS, DOCUMENTS_EXAMINED):
            assert contenders(medians, measure, work) == ON_MONGO
    for measure, work in [
        (costs.STORED, costs.DISK_NAME),
        (costs.MEMORY, costs.MEMORY_NAME),
    ]:
        assert contenders(medians, measure, work) == set(run[1]["guarantees"])
    for module in costs.MODULES:
        assert (costs.IMPORT, f"import {module}", costs.FRESH_PROCESS) in medians


@pytest.mark.parametrize("driver", list(OURS))
def test_the_floor_reads_as_many_documents_as_the_library(medians, driver):
    for work in [*VIEWS, *map(alone.newest_name, QUICK.sizes), alone.EVERYTHING_NAME]:
        for measure in (ROUND_TRIPS, DOCUMENTS_EXAMINED):
            ours, bare = (medians[measure, work, of[driver]] for of in (OURS, BARE))
            assert ours == bare, (measure, work)


@pytest.mark.parametrize("driver", list(OURS))
def test_round_trips_equal_the_documented_ones(medians, driver):
    told = {"append 1": 1, "append 4": 2, "pop": 1, alone.newest_name(100): 1}
    assert {work: medians[ROUND_TRIPS, work, OURS[driver]] for work in told} == told


def test_every_target_has_a_verdict_in_the_json_and_in_the_table(run):
    printed, told = run
    expected = [[list(t.measured), list(t.against)] for t in targets(QUICK)]
    assert [[t["target"]["measured"], t["target"]["against"]] for t in told["targets"]] == expected
    rows = [line for line in printed.splitlines() if line.endswith(("met │", "missed │"))]
    assert len(rows) == len(expected)


def test_the_machine_is_described(run):
    machine = run[1]["machine"]
    assert machine["cores"] > 0
    assert {"openai-agents", "motor", "pymongo"} <= set(machine["packages"])
    assert len(machine["servers"]) == len(run[1]["guarantees"]) - 4, (
        "five contenders are on MongoDB"
    )


def test_an_unknown_piece_of_work_is_an_error_that_lists_the_names(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--only", "sleep"])
    with pytest.raises(SystemExit) as ended:
        read_options()
    assert ended.value.code == 2
    assert "append" in capsys.readouterr().err


async def test_a_failing_contender_leaves_the_race():
    async def work() -> None:
        done.append("work")

    async def fail() -> None:
        done.append("fail")
        raise OSError("disk full")

    done: list[str] = []
    lanes = [Lane("w", "good", work), Lane("w", "bad", fail)]
    figures, failures = await race(lanes, Pace(rounds=3, operations=2, warm_up=1), lambda: None)
    assert [(f.contender, f.n, len(f.rounds)) for f in figures] == [("good", 6, 3)]
    assert [tuple(failure) for failure in failures] == [("w", "bad", "OSError: disk full")]
    assert (done.count("work"), done.count("fail")) == (8, 1)


def test_a_target_is_a_ratio_of_medians_with_quartiles_of_the_rounds():
    target = targets(QUICK)[0]
    figures = [
        Figure.of(TIME, *target.measured, "ms", [[1, 1], [2, 2], [3, 3]]),
        Figure.of(TIME, *target.against, "ms", [[4, 4], [4, 4], [4, 4]]),
    ]
    (verdict,) = verdicts(figures, QUICK)
    assert (verdict.ratio, verdict.low, verdict.high) == (0.5, 0.375, 0.625)
    assert verdict.is_met
