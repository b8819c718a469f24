"""The torture test's checker reports each kind of damage: pops, clears and replacements."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.torture_story import marks
from tests.torture.journal import Added, Popped, Replaced


def test_a_popped_item_is_not_missed(story):
    for _ in range(4):
        story.pop()
    assert story.wrong() == {}


def test_an_unacknowledged_pop_removes_at_most_one_item(story):
    story.pop(outcome="killed")
    assert story.wrong() == {}
    story.pop()
    story.history.popped.pop()
    assert list(story.wrong()) == ["lost"]


def test_an_unacknowledged_pop_may_remove_nothing(story):
    story.history.popped.append(Popped("a", 70, 75, "cancelled"))
    assert story.wrong() == {}


def test_an_acknowledged_pop_without_its_mark_is_found(story):
    document = story.pop()
    del document["popped"]
    assert "lost" in story.wrong()


def test_a_reused_place_of_a_popped_item_is_misplaced(story):
    story.documents.remove(story.pop())
    story.add("b6", 1, 80, 85)
    assert "lost" in story.wrong()
    story.documents[-1]["seq"] += 1
    assert "misplaced" in story.wrong()


def test_an_item_returned_by_two_pops_is_doubled(story):
    story.pop()
    story.history.popped *= 2
    assert list(story.wrong()) == ["doubled"]


def test_a_pop_that_took_two_items_is_doubled(story):
    one, two = story.pop(), story.pop(outcome="killed")
    assert story.wrong() == {}
    two["popped"]["token"] = one["popped"]["token"]
    assert list(story.wrong()) == ["doubled"]


def test_a_returned_item_that_is_still_stored_is_kept(story):
    document = story.pop()
    document["item"] = document.pop("popped")["item"]
    del document["gone_at"]
    assert list(story.wrong()) == ["kept"]


def test_a_popped_item_that_is_stored_again_is_doubled(story):
    mark = marks([{"item": story.pop(begin=52)["popped"]["item"]}])[0]
    story.add(mark.batch, 1, 50, 55)
    assert "doubled" in story.wrong()


def test_a_pop_that_took_an_older_item_is_misordered(story):
    last = story.documents.pop()
    story.pop()
    story.documents.append(last)
    assert "misordered" in story.wrong()


def test_a_pop_without_a_result_in_a_non_empty_session_is_misordered(story):
    story.history.popped.append(Popped("a", 70, 75, "acknowledged"))
    assert list(story.wrong()) == ["misordered"]


def test_a_pop_that_took_from_the_middle_of_a_batch_is_torn(story):
    last = [story.documents.pop() for _ in range(2)][-1]
    story.pop()
    story.documents.append(last)
    assert "torn" in story.wrong()


@pytest.mark.parametrize("strip", [True, False])
@pytest.mark.parametrize("outcome", ["acknowledged", "killed"])
def test_a_clear_removes_all_items_stripped_or_not(story, outcome, strip):
    story.pop()
    story.clear(80, outcome, strip=strip)
    story.add("b6", 3, 90, 95)
    assert story.wrong() == {}
    assert len(story.live()) == 3


def test_a_cleared_item_that_is_still_stored_is_kept(story):
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


def test_an_item_added_after_the_last_clear_and_cleared_is_lost(story):
    story.clear(70)
    story.add("b6", 1, 90, 95)
    story.add("b7", 1, 96, 97)
    assert story.wrong() == {}
    story.documents[-1] |= {"barrier": story.documents[-3].pop("barrier")}
    assert list(story.wrong()) == ["lost"]


def test_fewer_places_than_cleared_items_is_lost(story):
    story.clear(70)
    del story.documents[0]
    for seq, document in enumerate(story.documents, 1):
        document["seq"] = seq
    assert list(story.wrong()) == ["lost"]


@pytest.mark.parametrize("outcome", ["acknowledged", "killed", "cancelled"])
@pytest.mark.parametrize("last", [1, 3])
def test_a_replacement_removes_the_replaced_items_alone(story, last, outcome):
    story.pop(60)
    story.replace(last, 70, outcome)
    story.add("b6", 2, 80, 85)
    assert story.wrong() == {}


def test_an_unacknowledged_replacement_may_be_absent(story):
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


def test_an_item_both_popped_and_replaced_is_kept(story):
    story.pop(60)
    story.replace(1)
    (mark,) = [p.mark for p in story.history.popped]
    first = story.history.replaced[0]
    story.history.replaced[0] = replace(first, gone=(*first.gone, mark))
    assert list(story.wrong()) == ["kept"]


def test_an_item_replaced_twice_is_doubled(story):
    story.replace(1)
    first = story.history.replaced[0]
    story.history.replaced.append(replace(first, outcome="acknowledged"))
    assert list(story.wrong()) == ["doubled"]


def test_a_stripped_item_without_a_replacement_is_lost(story):
    story.poll()
    story.strip(story.documents[-1])
    assert "lost" in story.wrong()


def test_a_summary_on_a_removed_item_is_kept(story):
    story.pop()["summary"] = {"segments": []}
    assert list(story.wrong()) == ["kept"]


def test_an_item_returned_after_a_clear_is_kept(story):
    story.pop(begin=90)
    story.clear(70)
    assert list(story.wrong()) == ["kept"]
