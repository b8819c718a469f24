"""The torture test's faults, rounds and journal."""

from __future__ import annotations

import math

import pytest

from tests.torture import journal
from tests.torture.journal import (
    Added,
    Cleared,
    Deleted,
    Forked,
    Journal,
    Polled,
    Popped,
    Redacted,
    Replaced,
    Rewound,
    Seen,
)
from tests.torture.marks import Mark, Version
from tests.torture.round import Round
from tests.torture.schedule import REPLICA_SET, STANDALONE, schedule


def test_a_journal_of_a_killed_process_contains_its_attempts(tmp_path):
    file = tmp_path / "one.journal"
    writing = Journal(file)
    first = writing.begin("add", batch="b", session="a", size=2)
    pop = writing.begin("pop", session="a")
    failed = writing.begin("add", batch="d", session="a", size=1)
    writing.begin("add", batch="c", session="a", size=1)
    writing.end(first, "acknowledged")
    writing.end(pop, "acknowledged", mark=Mark("b", 1, 2))
    writing.end(failed, "failed")
    clear = writing.begin("clear", session="a")
    writing.end(clear, "acknowledged")
    writing.begin("replace", session="a", batch="e", size=1, gone=[Mark("b", 0, 2)])
    rewind = writing.begin("rewind", session="a", seq=3, expected=None)
    writing.end(rewind, "refused")
    writing.begin("redact", session="a", mark=Mark("b", 1, 2), redaction="r")
    look = writing.begin("look", session="a")
    writing.end(look, "acknowledged", shown=[Version(Mark("b", 1, 2), "r")])
    writing.begin("fork", session="a", target="twin", upto=2)
    writing.begin("delete", sessions=["a", "b"], owner="ann")
    seen = Seen(4, "id", Mark("b", 1, 2), "r")
    writing.polled(session="a", poller="p", after=3, begin=7.5, seen=[seen])
    writing.problem("a view that is wrong")
    writing.close()
    with file.open("a") as torn:
        torn.write('{"kind": "add", "numb')
    history = journal.read([file])
    assert history.added["b"].acknowledged
    assert history.added["b"].begin <= history.added["b"].end < math.inf
    assert (history.added["c"].outcome, history.added["c"].end) == ("killed", math.inf)
    assert history.added["d"].end == math.inf, "its command may still be on its way"
    assert [popped.mark for popped in history.popped] == [Mark("b", 1, 2)]
    assert history.cleared[0].outcome == "acknowledged"
    assert history.added["e"].outcome == history.replaced[0].outcome == "killed"
    assert history.replaced[0].gone == (Mark("b", 0, 2),)
    assert [(r.seq, r.expected, r.outcome) for r in history.rewound] == [(3, None, "refused")]
    assert [(f.target, f.upto, f.end) for f in history.forked] == [("twin", 2, math.inf)]
    assert [(d.sessions, d.owner) for d in history.deleted] == [(("a", "b"), "ann")]
    assert [(r.mark, r.redaction) for r in history.redacted] == [(Mark("b", 1, 2), "r")]
    assert [one.shown for one in history.looked] == [(Version(Mark("b", 1, 2), "r"),)]
    assert history.polled == [Polled("a", "p", 3, (seen,), 7.5)]
    assert history.problems == ["a view that is wrong"]


def test_a_round_with_too_few_faults_is_reported():
    result = Round(seed=1, seconds=60)
    assert len(result.shortcomings) == 12 + len(REPLICA_SET.all)
    assert "only 0 x elections" in result.shortcomings
    for number in range(60):
        result.history.added[str(number)] = Added(str(number), "a", 1, 0, 1, "acknowledged")
    result.faults.update(REPLICA_SET.all)
    result.findings.summaries = 1
    result.findings.seen = 60
    result.history.popped = [Popped("a", 0, 1, "acknowledged")] * 6
    result.history.cleared = [Cleared("a", 0, 1, "acknowledged")]
    result.history.replaced = [Replaced("a", "b", (), 0, 1, "acknowledged")]
    result.history.rewound = [Rewound("a", 1, None, 0, 1, "acknowledged")]
    mark = Mark("b", 0, 1)
    result.history.redacted = [Redacted("a", mark, "r", 0, 1, "acknowledged")]
    result.history.forked = [Forked("a", "b", None, 0, 1, "acknowledged")]
    result.history.deleted = [
        Deleted(("a",), 0, 1, "acknowledged", owner) for owner in (None, "ann")
    ]
    result.elections = 2
    assert result.shortcomings == ["only 2 x elections"]
    result.elections = 3
    assert result.shortcomings == []


def test_a_seed_determines_the_faults():
    assert schedule(1, 60) == schedule(1, 60)
    assert schedule(1, 60) != schedule(2, 60)


@pytest.mark.parametrize("kinds", [REPLICA_SET, STANDALONE], ids=["replica set", "standalone"])
@pytest.mark.parametrize("seed", range(20))
def test_a_minute_has_faults_of_every_kind_and_four_outages(seed, kinds):
    found = [fault.kind for fault in schedule(seed, 60, kinds)]
    assert set(found) == set(kinds.all)
    assert sum(kind in kinds.outages for kind in found) >= 4


@pytest.mark.parametrize("seed", range(20))
def test_45_seconds_include_a_pop_with_an_unknown_outcome(seed):
    found = [(fault.kind, fault.command) for fault in schedule(seed, 45)]
    assert ("write concern error", "findAndModify") in found


@pytest.mark.parametrize("seed", range(20))
def test_the_rounds_of_make_check_include_every_kind_of_fault(seed):
    assert {fault.kind for fault in schedule(seed, 45, REPLICA_SET)} == set(REPLICA_SET.all)
    assert {fault.kind for fault in schedule(seed, 25, STANDALONE)} == set(STANDALONE.all)
