"""The torture test's checker reports each kind of damage: batches, reads, numbers, summaries."""

from __future__ import annotations

import math

import pytest

from tests.support.torture_story import SIZES
from tests.torture.checker import KINDS, check
from tests.torture.journal import Polled


def test_a_correct_session_is_clean(story):
    story.summarise("b2", 1)
    findings = check(story.history, story.documents)
    assert findings.is_clean
    assert (findings.sessions, findings.items, findings.summaries) == (1, sum(SIZES), 1)


@pytest.mark.parametrize("outcome", ["killed", "failed", "cancelled"])
def test_an_unacknowledged_batch_is_stored_completely_or_not_at_all(story, outcome):
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


def test_an_unacknowledged_batch_does_not_precede_an_earlier_one(story):
    story.change("b2", outcome="killed", end=math.inf)
    story.order(*range(4, 6), *range(4), *range(6, 12))
    assert list(story.wrong()) == ["misordered"]


def test_without_transactions_a_batch_may_be_stored_in_part(story):
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


def test_a_poller_sees_the_items_that_were_not_removed(story):
    story.poll()
    story.pop()
    story.add("b6", 2, 80, 85)
    story.poll()
    story.clear(90)
    story.add("b7", 2, 100, 105)
    story.poll()
    assert story.wrong() == {}


def test_an_item_not_seen_by_a_poller_is_missed(story):
    first, *rest = story.poll()
    story.see(*rest)
    assert list(story.wrong()) == ["missed"]
    story.see(first, *rest[1:])
    assert list(story.wrong()) == ["missed"]
    story.see(first, *rest[:-1])
    assert story.wrong() == {}, "it may not have come further"


def test_an_item_polled_twice_or_out_of_order_is_reported(story):
    first, second, *rest = story.poll()
    story.see(second, first, *rest)
    assert list(story.wrong()) == ["misordered"]
    story.see(first, second._replace(mark=first.mark), *rest)
    assert list(story.wrong()) == ["doubled"]


@pytest.mark.parametrize("removal", ["pop", "clear", "replace"])
def test_an_item_polled_after_its_removal_is_kept(story, removal):
    last = story.poll()[-1]
    {"pop": story.pop, "clear": story.clear, "replace": lambda: story.replace(1)}[removal]()
    assert story.wrong() == {}
    story.history.polled = [Polled("a", "p", 0, (last,), begin=74)]
    assert "kept" not in story.wrong(), "it may have been read before the removal"
    story.history.polled = [Polled("a", "p", 0, (last,), begin=76)]
    assert "kept" in story.wrong()


def test_a_place_polled_with_another_item_is_misplaced(story):
    story.poll()
    story.documents[-1]["_id"] = "another"
    assert list(story.wrong()) == ["misplaced"]


def test_a_gap_between_places_is_misplaced(story):
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


def test_an_item_without_an_append_is_unheard_of(story):
    del story.history.added["b5"]
    assert list(story.wrong()) == ["unheard of"]
    story.documents[-1]["item"] = {"role": "user", "content": "no mark at all"}
    assert "unheard of" in story.wrong()


def test_every_kind_is_counted_even_if_there_is_none(story):
    assert tuple(check(story.history, story.documents).wrong) == KINDS
