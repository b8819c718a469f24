"""The torture test's checker reports each kind of damage: copies of sessions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.torture.journal import Added, Deleted
from tests.torture.marks import items


@pytest.mark.parametrize("outcome", ["acknowledged", "killed", "cancelled"])
@pytest.mark.parametrize("upto", [None, 0, 1, 7])
def test_a_correct_copy_is_clean(story, upto, outcome):
    story.summarise("b2", 1)
    story.pop(60)
    story.fork(upto, 70, outcome)
    story.rewind(2, 85)
    story.add("b6", 2, 90, 95)
    assert story.wrong() == {}


def test_a_copy_of_what_is_left_of_a_session_is_clean(story):
    story.clear(60)
    story.add("b6", 3, 62, 63)
    story.fork()
    story.delete(90)
    assert story.wrong() == {}
    assert [document["seq"] for document in story.twin] == [1, 13, 14, 15, 16]


def test_an_item_that_was_removed_meanwhile_may_be_in_the_copy_or_not(story):
    story.fork()
    last = story.twin[-2]
    story.pop(75)
    assert story.wrong() == {}
    story.twin.remove(last)
    assert story.wrong() == {}


def test_a_copy_may_be_absent_unless_it_was_acknowledged(story):
    story.fork(outcome="killed")
    story.twin.clear()
    assert story.wrong() == {}
    story.history.forked = [replace(story.history.forked[0], outcome="acknowledged")]
    assert list(story.wrong()) == ["lost"]


def test_an_incomplete_copy_may_be_hidden_unless_it_was_acknowledged(story):
    story.fork(outcome="killed")
    del story.twin[3]
    assert list(story.wrong()) == ["lost"]
    story.twin[-1] |= {"barrier": "fork", "copying": {"until": "later"}, "summary": None}
    assert story.wrong() == {}
    story.history.forked = [replace(story.history.forked[0], outcome="acknowledged")]
    assert list(story.wrong()) == ["lost"]


def test_a_refused_copy_that_is_there_is_kept(story):
    story.fork(outcome="refused")
    assert list(story.wrong()) == ["kept"]
    for document in story.twin[:-1]:
        del document["item"]
        document |= {"gone_at": "now", "copy": "fork"}
    assert story.wrong() == {}


@pytest.mark.parametrize("place", [0, 4, 11])
def test_a_copy_without_an_item_is_lost(story, place):
    story.fork()
    del story.twin[place]
    assert list(story.wrong()) == ["lost"]


def test_a_copy_without_an_item_that_was_removed_later_is_lost(story):
    story.fork()
    del story.twin[-2]
    story.pop(85)
    assert list(story.wrong()) == ["lost"]


@pytest.mark.parametrize("removal", ["pop", "clear", "rewind", "delete", "replace"])
def test_a_copy_with_an_item_that_was_removed_before_is_kept(story, removal):
    remove = {
        "pop": lambda: story.pop(60),
        "clear": lambda: story.clear(60),
        "rewind": lambda: story.rewind(11, 60),
        "delete": lambda: story.delete(60),
        "replace": lambda: story.replace(1, 60),
    }[removal]
    story.fork()
    remove()
    assert list(story.wrong()) == ["kept"]


def test_a_copy_of_two_moments_is_torn(story):
    """It has an item that was removed before the one that it lacks."""
    story.fork(begin=60)
    lacking, having = story.twin[-3], story.twin[-2]
    story.pop(begin=61)
    story.pop(begin=63)
    assert story.wrong() == {}
    story.twin.remove(lacking)
    assert story.wrong() == {}, "at the same time"
    story.history.popped[1] = replace(story.history.popped[1], begin=67)
    assert list(story.wrong()) == ["torn"]
    story.twin.remove(having)
    assert story.wrong() == {}


@pytest.mark.parametrize("field", ["tokens", "total_tokens", "turn", "created_at"])
def test_a_copy_with_another_number_is_miscounted(story, field):
    story.fork()
    story.twin[-2][field] = 10_000
    assert list(story.wrong()) == ["miscounted"]


def test_a_copy_with_an_item_of_another_place_is_misplaced(story):
    story.fork()
    story.twin[3]["item"], story.twin[4]["item"] = story.twin[4]["item"], story.twin[3]["item"]
    assert list(story.wrong()) == ["misplaced"]


def test_a_copy_that_ends_elsewhere_is_misplaced(story):
    story.fork(7)
    story.history.forked = [replace(story.history.forked[0], upto=8)]
    assert "misplaced" in story.wrong()


def test_a_copy_with_a_wrong_summary_is_mistold(story):
    story.fork()
    story.twin[3]["summary"] = story.summarise("b2", 1)
    assert list(story.wrong()) == ["mistold"]


def test_a_copy_that_was_deleted_is_gone(story):
    story.fork()
    story.history.deleted.append(Deleted(("twin",), 90, 95, "acknowledged"))
    assert {"kept", "lost"} == set(story.wrong())
    barrier = {"barrier": "deletion", "deleted": True, "summary": None}
    story.twin.append({"_id": "deletion", "session_id": "twin", "seq": 14, "turn": 0, **barrier})
    assert story.wrong() == {}


def test_a_copy_goes_on_after_its_fork(story):
    story.fork()
    last = story.twin[-2]
    (item,) = items("c1", 1)
    story.history.added["c1"] = Added("c1", "twin", 1, 90, 95, "acknowledged")
    numbers = {"tokens": 5, "total_tokens": last["total_tokens"] + 5, "turn": last["turn"] + 1}
    added = {"_id": "c1", "session_id": "twin", "seq": 14, "item": item, **numbers}
    story.twin.append(added)
    assert story.wrong() == {}
    added["seq"] = 15
    assert list(story.wrong()) == ["misplaced"]
    added["seq"], added["total_tokens"] = 14, 5
    assert list(story.wrong()) == ["miscounted"]
    story.twin.remove(added)
    assert list(story.wrong()) == ["lost"]
