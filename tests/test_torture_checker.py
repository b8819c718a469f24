"""The checker of the torture finds what is wrong: each kind of damage, done on purpose."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from .torture import journal
from .torture.checker import KINDS, check
from .torture.journal import Added, History, Journal, Popped
from .torture.marks import Covered, Mark, items, marks_in
from .torture.round import Round
from .torture.schedule import ELECTIONS, schedule
from .torture.schedule import KINDS as FAULTS

SIZES = [1, 3, 2, 1, 4, 1]


class Story:
    """Batches b0 to b5 in one session, one after the other, each acknowledged and stored."""

    def __init__(self) -> None:
        self.history = History()
        self.documents: list[dict] = []
        for number, size in enumerate(SIZES):
            self.add(f"b{number}", size, begin=10 * number, end=10 * number + 5)

    def add(self, batch: str, size: int, begin: float, end: float) -> None:
        self.history.added[batch] = Added(batch, "a", size, begin, end, "acknowledged")
        for item in items(batch, size):
            tokens = len(json.dumps(item))
            last = self.documents[-1] if self.documents else {}
            self.documents.append(
                {
                    "_id": len(self.documents),
                    "session_id": "a",
                    "seq": last.get("seq", 0) + 1,
                    "item": item,
                    "tokens": tokens,
                    "total_tokens": last.get("total_tokens", 0) + tokens,
                    "turn": last.get("turn", 0) + (size == 1),
                }
            )

    def change(self, batch: str, **facts: object) -> None:
        self.history.added[batch] = replace(self.history.added[batch], **facts)

    def pop(self, begin: float = 70, outcome: str = "acknowledged") -> None:
        document = self.documents.pop()
        (mark,) = marks([document])
        self.history.popped.append(
            Popped("a", begin, begin + 5, outcome, mark if outcome == "acknowledged" else None)
        )

    def place(self, batch: str, part: int = 0) -> int:
        (found,) = [
            n
            for n, mark in enumerate(marks(self.documents))
            if (mark.batch, mark.part) == (batch, part)
        ]
        return found

    def remove(self, batch: str, part: int = 0) -> None:
        """And close the gap, so that the numbers do not give it away."""
        del self.documents[self.place(batch, part)]
        self.renumber()

    def order(self, *places: int) -> None:
        self.documents = [self.documents[place] for place in places]
        self.renumber()

    def renumber(self) -> None:
        total = turn = 0
        for seq, document in enumerate(self.documents, 1):
            total += document["tokens"]
            turn += document["item"].get("role") == "user"
            document |= {"seq": seq, "total_tokens": total, "turn": turn}

    def summarise(self, batch: str, part: int = 0) -> dict:
        place = self.place(batch, part)
        middle = place // 2
        told = [marks(self.documents[:middle]), marks(self.documents[middle : place + 1])]
        document = self.documents[place]
        document["summary"] = {
            "segments": [
                {"text": f"items: {Covered.of(part)}", "last_seq": document["seq"]} for part in told
            ]
        }
        return document["summary"]

    def wrong(self) -> dict[str, list[str]]:
        return {k: found for k, found in check(self.history, self.documents).wrong.items() if found}


def marks(documents: list[dict]) -> list[Mark]:
    return [mark for d in documents for mark in marks_in(json.dumps(d["item"]))]


@pytest.fixture
def story() -> Story:
    return Story()


def test_nothing_is_wrong_with_what_is_right(story):
    story.summarise("b2", 1)
    findings = check(story.history, story.documents)
    assert findings.is_clean
    assert (findings.sessions, findings.items, findings.summaries) == (1, sum(SIZES), 1)


@pytest.mark.parametrize("outcome", ["killed", "failed", "cancelled"])
def test_what_was_not_acknowledged_is_there_as_a_whole_or_not_at_all(story, outcome):
    story.change("b4", outcome=outcome, end=math.inf)
    assert story.wrong() == {}
    for part in range(3):
        story.remove("b4", part)
        assert list(story.wrong()) == ["torn"]
    story.remove("b4", 3)
    assert story.wrong() == {}


@pytest.mark.parametrize("batch", ["b0", "b1", "b5"])
def test_a_batch_that_was_dropped_is_lost(story, batch):
    for part in range(SIZES[int(batch[1])]):
        story.remove(batch, part)
    assert list(story.wrong()) == ["lost"]


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_batch_without_one_of_its_items_is_torn(story, part):
    story.remove("b1", part)
    assert list(story.wrong()) == ["torn"]


def test_a_batch_with_another_in_its_middle_is_torn(story):
    story.order(0, 1, 2, 4, 3, *range(5, 12))  # b1 b1 b2 b1 b2
    assert "torn" in story.wrong()


def test_a_batch_whose_items_changed_places_is_torn(story):
    story.order(0, 2, 1, *range(3, 12))
    assert list(story.wrong()) == ["torn"]


def test_a_batch_that_was_written_twice_is_doubled(story):
    story.documents += [dict(document) for document in story.documents[1:4]]
    story.renumber()
    assert "doubled" in story.wrong()


def test_an_item_that_was_written_twice_is_doubled(story):
    story.documents.append(dict(story.documents[0]))
    story.renumber()
    assert "doubled" in story.wrong()


def test_batches_out_of_order_are_misordered(story):
    story.order(*range(4, 6), *range(4), *range(6, 12))  # b2 b0 b1
    assert list(story.wrong()) == ["misordered"]


def test_batches_at_the_same_time_may_have_any_order(story):
    story.change("b2", begin=0)
    story.order(*range(4, 6), *range(4), *range(6, 12))
    assert story.wrong() == {}


def test_what_was_begun_later_does_not_stand_before_what_had_ended_even_if_nobody_heard(story):
    story.change("b2", outcome="killed", end=math.inf)
    story.order(*range(4, 6), *range(4), *range(6, 12))
    assert list(story.wrong()) == ["misordered"]


def test_what_was_handed_out_is_not_missed(story):
    for _ in range(4):
        story.pop()
    assert story.wrong() == {}


def test_a_pop_of_which_nobody_heard_may_have_removed_one_item_and_no_more(story):
    story.pop(outcome="killed")
    assert story.wrong() == {}
    story.documents.pop()
    assert list(story.wrong()) == ["lost"]


def test_what_was_handed_out_twice_is_doubled(story):
    story.pop()
    story.history.popped *= 2
    assert list(story.wrong()) == ["doubled"]


def test_what_was_handed_out_and_is_there_is_doubled(story):
    last = dict(story.documents[-1])
    story.pop()
    story.documents.append(last)
    assert "doubled" in story.wrong()


def test_an_item_that_was_popped_before_its_writer_knew_may_be_back_once(story):
    last = dict(story.documents[-1])
    story.pop(begin=52)
    story.documents.append(last)
    findings = check(story.history, story.documents)
    assert findings.is_clean
    assert findings.back_again == 1
    story.pop(begin=70)
    assert story.wrong() == {}
    story.documents.append(last)
    assert list(story.wrong()) == ["doubled"]


def test_a_pop_that_took_an_older_item_is_misordered(story):
    last = story.documents.pop()
    story.pop()
    story.documents.append(last)
    assert "misordered" in story.wrong()


def test_a_pop_that_took_from_the_middle_of_a_batch_is_torn(story):
    last = [story.documents.pop() for _ in range(2)][-1]
    story.pop()
    story.documents.append(last)
    assert "torn" in story.wrong()


@pytest.mark.parametrize("field", ["seq", "total_tokens", "turn"])
def test_numbers_that_go_down_are_miscounted(story, field):
    story.documents[-1][field] = 0
    assert "miscounted" in story.wrong()


def test_totals_and_places_are_exact_where_nothing_was_popped(story):
    for document in story.documents[5:]:
        document["total_tokens"] += 7
    assert list(story.wrong()) == ["miscounted"]
    story.renumber()
    story.documents[-1]["seq"] += 1
    assert list(story.wrong()) == ["miscounted"]
    story.pop()
    story.documents[-1]["total_tokens"] += 7
    assert story.wrong() == {}


@pytest.mark.parametrize("place", [0, 3, 5])
def test_a_summary_that_leaves_an_item_out_is_mistold(story, place):
    story.summarise("b2", 1)
    del story.documents[place]["item"]
    story.documents[place]["item"] = {"role": "user", "content": "#b9:0/1#"}
    assert "mistold" in story.wrong()


def test_a_summary_that_covers_what_comes_after_it_is_mistold(story):
    summary = story.summarise("b3")
    story.documents[story.place("b3")].pop("summary")
    story.documents[story.place("b2", 1)]["summary"] = summary
    assert list(story.wrong()) == ["mistold"]


def test_a_summary_that_tells_something_twice_is_mistold(story):
    summary = story.summarise("b3")
    summary["segments"].insert(0, summary["segments"][0])
    assert list(story.wrong()) == ["mistold"]


def test_what_nobody_added_is_unheard_of(story):
    del story.history.added["b5"]
    assert list(story.wrong()) == ["unheard of"]
    story.documents[-1]["item"] = {"role": "user", "content": "no mark at all"}
    assert "unheard of" in story.wrong()


def test_every_kind_is_counted_even_if_there_is_none(story):
    assert tuple(check(story.history, story.documents).wrong) == KINDS


def test_a_journal_tells_what_was_tried_by_whoever_was_killed(tmp_path):
    file = tmp_path / "one.journal"
    writing = Journal(file)
    first = writing.begin("add", batch="b", session="a", size=2)
    pop = writing.begin("pop", session="a")
    failed = writing.begin("add", batch="d", session="a", size=1)
    writing.begin("add", batch="c", session="a", size=1)
    writing.end(first, "acknowledged")
    writing.end(pop, "acknowledged", mark=Mark("b", 1, 2))
    writing.end(failed, "failed")
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
    assert history.problems == ["a view that is wrong"]


def test_a_round_that_hurts_too_little_says_so():
    result = Round(seed=1, seconds=60)
    assert len(result.shortcomings) == 3 + len(FAULTS)
    assert "only 0 x elections" in result.shortcomings
    for number in range(60):
        result.history.added[str(number)] = Added(str(number), "a", 1, 0, 1, "acknowledged")
    result.faults.update(FAULTS)
    result.findings.summaries = 1
    result.elections = 2
    assert result.shortcomings == ["only 2 x elections"]
    result.elections = 3
    assert result.shortcomings == []


def test_a_seed_gives_the_same_faults_and_another_seed_others():
    assert schedule(1, 60) == schedule(1, 60)
    assert schedule(1, 60) != schedule(2, 60)


@pytest.mark.parametrize("seed", range(20))
def test_a_minute_has_faults_of_every_kind_and_four_elections(seed):
    kinds = [fault.kind for fault in schedule(seed, 60)]
    assert set(kinds) == set(FAULTS)
    assert sum(kind in ELECTIONS for kind in kinds) >= 4
