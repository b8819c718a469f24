"""The checker of the torture finds what is wrong: each kind of damage, done on purpose."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from tests.torture import journal
from tests.torture.checker import KINDS, check
from tests.torture.journal import (
    Added,
    Cleared,
    History,
    Journal,
    Polled,
    Popped,
    Replaced,
    Seen,
)
from tests.torture.marks import Covered, Mark, items, marks_in
from tests.torture.round import Round
from tests.torture.schedule import REPLICA_SET, STANDALONE, schedule

SIZES = [1, 3, 2, 1, 4, 1]


class Story:
    """Batches b0 to b5 in one session, one after the other, each acknowledged and stored."""

    def __init__(self) -> None:
        self.history = History()
        self.documents: list[dict] = []
        self.has_transactions = True
        for number, size in enumerate(SIZES):
            self.add(f"b{number}", size, begin=10 * number, end=10 * number + 5)

    def add(self, batch: str, size: int, begin: float, end: float) -> None:
        self.history.added[batch] = Added(batch, "a", size, begin, end, "acknowledged")
        for item in items(batch, size):
            tokens = len(json.dumps(item))
            last = self.live()[-1] if self.live() else {}
            self.documents.append(
                {
                    "_id": f"{batch}/{len(self.documents)}",
                    "session_id": "a",
                    "seq": len(self.documents) + 1,
                    "item": item,
                    "tokens": tokens,
                    "total_tokens": last.get("total_tokens", 0) + tokens,
                    "turn": last.get("turn", 0) + (size == 1),
                }
            )

    def live(self) -> list[dict]:
        barrier = max((d["seq"] for d in self.documents if "barrier" in d), default=0)
        return [d for d in self.documents if "item" in d and d["seq"] > barrier]

    def change(self, batch: str, **facts: object) -> None:
        self.history.added[batch] = replace(self.history.added[batch], **facts)

    def pop(self, begin: float = 70, outcome: str = "acknowledged") -> dict:
        document = self.live()[-1]
        (mark,) = marks([document])
        self.history.popped.append(
            Popped("a", begin, begin + 5, outcome, mark if outcome == "acknowledged" else None)
        )
        document["popped"] = {"item": document.pop("item"), "token": f"pop-{mark}"}
        document["gone_at"] = "now"
        return document

    def clear(
        self, begin: float = 70, outcome: str = "acknowledged", *, strip: bool = True
    ) -> dict:
        self.history.cleared.append(Cleared("a", begin, begin + 5, outcome))
        barrier = self.documents[-1]
        barrier |= {"barrier": f"clear-{begin}", "summary": None}
        barrier.pop("item", None)
        for document in self.documents[:-1]:
            if strip and "item" in document:
                self.strip(document)
        return barrier

    def replace(self, last: int, begin: float = 70, outcome: str = "acknowledged") -> list[dict]:
        """The newest so many items by a batch of one."""
        gone = self.live()[-last:]
        batch, marks_gone = f"new-{begin}", tuple(marks(gone))
        self.history.replaced.append(Replaced("a", batch, marks_gone, begin, begin + 5, outcome))
        for document in gone:
            self.strip(document)
        self.add(batch, 1, begin, begin + 5)
        self.change(batch, outcome=outcome)
        return gone

    def strip(self, document: dict) -> None:
        del document["item"]
        document["gone_at"] = "now"

    def poll(self, poller: str = "p") -> list[Seen]:
        before = [s.seq for polled in self.history.polled for s in polled.seen]
        after = max(before, default=0)
        seen = [Seen(d["seq"], d["_id"], *marks([d])) for d in self.live() if d["seq"] > after]
        self.history.polled.append(Polled("a", poller, after, tuple(seen)))
        return seen

    def see(self, *seen: Seen) -> None:
        """Instead of what was polled."""
        self.history.polled = [Polled("a", "p", 0, seen)]

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
        findings = check(self.history, self.documents, has_transactions=self.has_transactions)
        return {kind: found for kind, found in findings.wrong.items() if found}


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


def test_a_part_of_a_batch_may_be_there_without_transactions(story):
    story.has_transactions = False
    story.change("b4", outcome="killed", end=math.inf)
    story.remove("b4", 3)
    assert story.wrong() == {}
    story.change("b4", outcome="acknowledged")
    assert list(story.wrong()) == ["torn"]


def test_other_batches_may_lie_between_its_items_without_transactions(story):
    story.change("b2", begin=0)
    story.order(0, 1, 2, 4, 3, *range(5, 12))
    story.has_transactions = False
    assert story.wrong() == {}
    story.order(0, 1, 4, 3, 2, *range(5, 12))
    assert list(story.wrong()) == ["torn"]


def test_what_was_popped_is_not_missed(story):
    for _ in range(4):
        story.pop()
    assert story.wrong() == {}


def test_a_pop_of_which_nobody_heard_may_have_taken_one_item_and_no_more(story):
    story.pop(outcome="killed")
    assert story.wrong() == {}
    story.pop()
    story.history.popped.pop()
    assert list(story.wrong()) == ["lost"]


def test_a_pop_of_which_nobody_heard_may_have_taken_nothing(story):
    story.history.popped.append(Popped("a", 70, 75, "cancelled"))
    assert story.wrong() == {}


def test_an_acknowledged_pop_without_its_mark_is_found(story):
    document = story.pop()
    del document["popped"]
    assert "lost" in story.wrong()


def test_a_place_of_a_popped_item_that_is_free_again_is_misplaced(story):
    story.documents.remove(story.pop())
    story.add("b6", 1, 80, 85)
    assert "lost" in story.wrong()
    story.documents[-1]["seq"] += 1
    assert "misplaced" in story.wrong()


def test_what_was_handed_out_twice_is_doubled(story):
    story.pop()
    story.history.popped *= 2
    assert list(story.wrong()) == ["doubled"]


def test_a_pop_that_took_two_items_is_doubled(story):
    one, two = story.pop(), story.pop(outcome="killed")
    assert story.wrong() == {}
    two["popped"]["token"] = one["popped"]["token"]
    assert list(story.wrong()) == ["doubled"]


def test_what_was_handed_out_and_is_there_is_kept(story):
    document = story.pop()
    document["item"] = document.pop("popped")["item"]
    del document["gone_at"]
    assert list(story.wrong()) == ["kept"]


def test_what_was_popped_and_is_back_again_is_doubled(story):
    mark = marks([{"item": story.pop(begin=52)["popped"]["item"]}])[0]
    story.add(mark.batch, 1, 50, 55)
    assert "doubled" in story.wrong()


def test_a_pop_that_took_an_older_item_is_misordered(story):
    last = story.documents.pop()
    story.pop()
    story.documents.append(last)
    assert "misordered" in story.wrong()


def test_a_pop_that_returned_nothing_while_there_was_something_is_misordered(story):
    story.history.popped.append(Popped("a", 70, 75, "acknowledged"))
    assert list(story.wrong()) == ["misordered"]


def test_a_pop_that_took_from_the_middle_of_a_batch_is_torn(story):
    last = [story.documents.pop() for _ in range(2)][-1]
    story.pop()
    story.documents.append(last)
    assert "torn" in story.wrong()


@pytest.mark.parametrize("strip", [True, False])
@pytest.mark.parametrize("outcome", ["acknowledged", "killed"])
def test_a_clear_takes_all_stripped_or_not_yet(story, outcome, strip):
    story.pop()
    story.clear(80, outcome, strip=strip)
    story.add("b6", 3, 90, 95)
    assert story.wrong() == {}
    assert len(story.live()) == 3


def test_what_was_cleared_and_is_there_is_kept(story):
    barrier = story.clear(strip=False)
    del barrier["barrier"]
    assert "kept" in story.wrong()


def test_a_clear_of_the_first_part_of_a_batch_is_torn(story):
    last = [story.documents.pop() for _ in range(2)][::-1]
    story.clear(45, strip=False)
    story.documents += last
    assert "torn" in story.wrong()


def test_a_second_barrier_of_one_clear_is_doubled(story):
    story.clear(70)
    story.add("b6", 1, 72, 73)
    story.clear(71)
    assert story.wrong() == {}
    story.documents[-1]["barrier"] = story.documents[-2]["barrier"]
    assert list(story.wrong()) == ["doubled"]
    story.history.cleared.pop()
    assert "lost" in story.wrong()


def test_what_was_added_after_the_last_clear_and_is_cleared_is_lost(story):
    story.clear(70)
    story.add("b6", 1, 90, 95)
    story.add("b7", 1, 96, 97)
    assert story.wrong() == {}
    story.documents[-1] |= {"barrier": story.documents[-3].pop("barrier")}
    assert list(story.wrong()) == ["lost"]


def test_fewer_places_than_what_was_cleared_is_lost(story):
    story.clear(70)
    del story.documents[0]
    for seq, document in enumerate(story.documents, 1):
        document["seq"] = seq
    assert list(story.wrong()) == ["lost"]


@pytest.mark.parametrize("outcome", ["acknowledged", "killed", "cancelled"])
@pytest.mark.parametrize("last", [1, 3])
def test_what_was_replaced_is_gone_and_the_rest_is_there(story, last, outcome):
    story.pop(60)
    story.replace(last, 70, outcome)
    story.add("b6", 2, 80, 85)
    assert story.wrong() == {}


def test_a_replacement_of_which_nobody_heard_may_not_have_taken_place(story):
    gone = tuple(marks(story.live()[-2:]))
    story.history.replaced.append(Replaced("a", "new", gone, 70, 75, "killed"))
    story.history.added["new"] = Added("new", "a", 1, 70, 75, "killed")
    assert story.wrong() == {}
    story.history.replaced[0] = replace(story.history.replaced[0], outcome="acknowledged")
    assert list(story.wrong()) == ["kept"]


def test_half_a_replacement_is_kept(story):
    item = story.live()[-1]["item"]
    (document,) = story.replace(1)
    document["item"] = item
    del document["gone_at"]
    assert "kept" in story.wrong()


def test_the_other_half_of_a_replacement_is_lost(story):
    story.replace(1, outcome="acknowledged")
    story.documents.pop()
    assert "lost" in story.wrong()


def test_a_replacement_that_was_refused_leaves_nothing(story):
    story.replace(1, outcome="refused")
    assert "unheard of" in story.wrong()


def test_what_was_popped_and_also_replaced_is_kept(story):
    story.pop(60)
    story.replace(1)
    (mark,) = [p.mark for p in story.history.popped]
    first = story.history.replaced[0]
    story.history.replaced[0] = replace(first, gone=(*first.gone, mark))
    assert list(story.wrong()) == ["kept"]


def test_what_was_replaced_twice_is_doubled(story):
    story.replace(1)
    first = story.history.replaced[0]
    story.history.replaced.append(replace(first, outcome="acknowledged"))
    assert list(story.wrong()) == ["doubled"]


def test_what_is_stripped_and_was_not_replaced_is_lost(story):
    story.poll()
    story.strip(story.documents[-1])
    assert "lost" in story.wrong()


def test_a_summary_on_what_was_removed_is_kept(story):
    story.pop()["summary"] = {"segments": []}
    assert list(story.wrong()) == ["kept"]


def test_a_poller_sees_what_is_there_whatever_was_removed_meanwhile(story):
    story.poll()
    story.pop()
    story.add("b6", 2, 80, 85)
    story.poll()
    story.clear(90)
    story.add("b7", 2, 100, 105)
    story.poll()
    assert story.wrong() == {}


def test_what_a_poller_did_not_see_is_missed(story):
    first, *rest = story.poll()
    story.see(*rest)
    assert list(story.wrong()) == ["missed"]
    story.see(first, *rest[1:])
    assert list(story.wrong()) == ["missed"]
    story.see(first, *rest[:-1])
    assert story.wrong() == {}, "it may not have come further"


def test_what_a_poller_saw_twice_or_out_of_order_is_found(story):
    first, second, *rest = story.poll()
    story.see(second, first, *rest)
    assert list(story.wrong()) == ["misordered"]
    story.see(first, second._replace(mark=first.mark), *rest)
    assert list(story.wrong()) == ["doubled"]


@pytest.mark.parametrize("removal", ["pop", "clear", "replace"])
def test_what_a_poller_saw_after_its_removal_is_kept(story, removal):
    last = story.poll()[-1]
    {"pop": story.pop, "clear": story.clear, "replace": lambda: story.replace(1)}[removal]()
    assert story.wrong() == {}
    story.history.polled = [Polled("a", "p", 0, (last,), begin=74)]
    assert "kept" not in story.wrong(), "it may have been read before the removal"
    story.history.polled = [Polled("a", "p", 0, (last,), begin=76)]
    assert "kept" in story.wrong()


def test_what_was_handed_out_after_a_clear_is_kept(story):
    story.pop(begin=90)
    story.clear(70)
    assert list(story.wrong()) == ["kept"]


def test_a_place_that_somebody_saw_taken_by_another_is_misplaced(story):
    story.poll()
    story.documents[-1]["_id"] = "another"
    assert list(story.wrong()) == ["misplaced"]


def test_a_place_that_is_left_out_is_misplaced(story):
    story.pop()
    story.documents[-1]["seq"] += 1
    assert list(story.wrong()) == ["misplaced"]


@pytest.mark.parametrize("field", ["total_tokens", "turn"])
def test_numbers_that_go_down_are_miscounted(story, field):
    story.documents[-1][field] = 0
    assert "miscounted" in story.wrong()


def test_totals_and_places_are_exact_where_nothing_was_popped(story):
    for document in story.documents[5:]:
        document["total_tokens"] += 7
    assert list(story.wrong()) == ["miscounted"]
    story.renumber()
    story.documents[-1]["seq"] += 1
    assert "miscounted" in story.wrong()
    story.renumber()
    story.pop()
    story.live()[-1]["total_tokens"] += 7
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
    clear = writing.begin("clear", session="a")
    writing.end(clear, "acknowledged")
    writing.begin("replace", session="a", batch="e", size=1, gone=[Mark("b", 0, 2)])
    seen = Seen(4, "id", Mark("b", 1, 2))
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
    assert history.polled == [Polled("a", "p", 3, (seen,), 7.5)]
    assert history.problems == ["a view that is wrong"]


def test_a_round_that_hurts_too_little_says_so():
    result = Round(seed=1, seconds=60)
    assert len(result.shortcomings) == 7 + len(REPLICA_SET.all)
    assert "only 0 x elections" in result.shortcomings
    for number in range(60):
        result.history.added[str(number)] = Added(str(number), "a", 1, 0, 1, "acknowledged")
    result.faults.update(REPLICA_SET.all)
    result.findings.summaries = 1
    result.findings.seen = 60
    result.history.popped = [Popped("a", 0, 1, "acknowledged")] * 6
    result.history.cleared = [Cleared("a", 0, 1, "acknowledged")]
    result.history.replaced = [Replaced("a", "b", (), 0, 1, "acknowledged")]
    result.elections = 2
    assert result.shortcomings == ["only 2 x elections"]
    result.elections = 3
    assert result.shortcomings == []


def test_a_seed_gives_the_same_faults_and_another_seed_others():
    assert schedule(1, 60) == schedule(1, 60)
    assert schedule(1, 60) != schedule(2, 60)


@pytest.mark.parametrize("kinds", [REPLICA_SET, STANDALONE], ids=["replica set", "standalone"])
@pytest.mark.parametrize("seed", range(20))
def test_a_minute_has_faults_of_every_kind_and_four_outages(seed, kinds):
    found = [fault.kind for fault in schedule(seed, 60, kinds)]
    assert set(found) == set(kinds.all)
    assert sum(kind in kinds.outages for kind in found) >= 4


@pytest.mark.parametrize("seed", range(20))
def test_45_seconds_have_a_pop_whose_outcome_the_driver_does_not_find_out(seed):
    found = [(fault.kind, fault.command) for fault in schedule(seed, 45)]
    assert ("write concern error", "findAndModify") in found


@pytest.mark.parametrize("seed", range(20))
def test_the_rounds_of_a_check_are_long_enough_for_every_kind_of_fault(seed):
    assert {fault.kind for fault in schedule(seed, 45, REPLICA_SET)} == set(REPLICA_SET.all)
    assert {fault.kind for fault in schedule(seed, 25, STANDALONE)} == set(STANDALONE.all)
