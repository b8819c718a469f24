"""The torture test's checker reports each kind of damage: rewinds, deletions, and runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.torture.journal import Deleted, Polled, Rewound

LAST = 12
"""The newest place of the recorded session."""


@pytest.mark.parametrize("outcome", ["acknowledged", "killed", "cancelled"])
@pytest.mark.parametrize("seq", [0, 5, 11])
def test_a_rewind_removes_what_is_above_it(story, seq, outcome):
    story.pop(60)
    story.poll()
    story.rewind(seq, 70, outcome)
    story.add("b6", 2, 80, 85)
    story.poll()
    assert story.wrong() == {}


@pytest.mark.parametrize("outcome", ["killed", "cancelled", "refused"])
def test_an_unacknowledged_rewind_may_have_changed_nothing(story, outcome):
    story.history.rewound.append(Rewound("a", 5, None, 70, 75, outcome))
    assert story.wrong() == {}


def test_an_item_above_an_acknowledged_rewind_is_kept(story):
    story.history.rewound.append(Rewound("a", 11, None, 70, 75, "acknowledged"))
    assert list(story.wrong()) == ["kept"]
    story.change("b5", end=71)
    assert story.wrong() == {}, "it may have been added afterwards"
    story.history.rewound = [Rewound("a", 11, LAST, 70, 75, "acknowledged")]
    assert list(story.wrong()) == ["kept"], "the rewind has seen it"


@pytest.mark.parametrize("seq", [4, 5])
def test_an_item_that_a_rewind_removed_at_or_below_its_place_is_lost(story, seq):
    story.poll()
    story.rewind(5)
    story.strip(story.documents[seq - 1])
    assert "lost" in story.wrong()


def test_an_item_above_what_a_rewind_expected_is_lost(story):
    story.poll()
    story.change("b5", end=74)  # it was added meanwhile
    story.rewind(5, expected=LAST)
    assert story.wrong() == {}
    (rewound,) = story.history.rewound
    story.history.rewound = [replace(rewound, expected=LAST - 1)]
    assert list(story.wrong()) == ["lost"]


def test_a_refused_rewind_that_removed_something_is_lost(story):
    story.rewind(5, outcome="refused")
    assert {"lost", "unheard of"} <= set(story.wrong())


def test_an_item_that_was_added_after_the_rewind_and_removed_is_lost(story):
    story.rewind(5)
    story.add("b6", 1, 80, 85)
    story.poll()
    story.strip(story.documents[-1])
    assert "lost" in story.wrong()


def test_an_item_polled_after_a_rewind_is_kept(story):
    last = story.poll()[-1]
    story.rewind(5)
    story.history.polled = [Polled("a", "p", 0, (last,), begin=74)]
    assert "kept" not in story.wrong(), "it may have been read before the rewind"
    story.history.polled = [Polled("a", "p", 0, (last,), begin=76)]
    assert "kept" in story.wrong()


def test_an_item_popped_after_a_rewind_is_kept(story):
    story.pop(90)
    story.rewind(5, 70)
    assert list(story.wrong()) == ["kept"]


def test_a_place_that_nothing_has_taken_is_unheard_of(story):
    story.rewind(5)
    story.take("another")
    assert list(story.wrong()) == ["unheard of"]


def test_a_refused_rewind_takes_a_place_only_without_transactions(story):
    story.history.rewound.append(Rewound("a", 5, None, 70, 75, "refused"))
    story.take("late")
    assert list(story.wrong()) == ["unheard of"]
    story.has_transactions = False
    assert story.wrong() == {}


@pytest.mark.parametrize("outcome", ["acknowledged", "killed", "cancelled"])
def test_a_deletion_removes_all_items(story, outcome):
    story.pop()
    story.poll()
    story.delete(80, outcome)
    story.add("b6", 3, 90, 95)
    story.poll()
    assert story.wrong() == {}
    assert len(story.live()) == 3


def test_a_deleted_item_that_is_still_stored_is_kept(story):
    story.history.deleted.append(Deleted(("a",), 70, 75, "acknowledged", "ann"))
    story.owners["a"] = "ann"
    assert list(story.wrong()) == ["kept"]
    story.history.deleted.append(Deleted(("a",), 60, 71, "cancelled", "ann"))
    assert story.wrong() == {}, "the card may have been buried"
    story.history.deleted = [Deleted(("a",), 70, 75, "cancelled", "ann")]
    assert story.wrong() == {}


def test_a_refused_deletion_that_removed_something_is_lost(story):
    story.poll()
    story.delete(outcome="refused")
    story.change("b5", begin=76, end=77)
    assert "lost" in story.wrong()


def test_a_deletion_without_a_place_is_lost(story):
    barrier = story.delete()
    story.clear(76)
    story.documents.remove(barrier)
    assert "lost" in story.wrong()


def test_a_deletion_with_two_places_is_doubled(story):
    story.delete()
    story.take("second", barrier="second", deleted=True, summary=None)
    assert list(story.wrong()) == ["doubled"]


def test_an_item_added_after_the_last_deletion_and_cleared_is_lost(story):
    story.add("b6", 1, 90, 95)
    story.delete(70)
    assert list(story.wrong()) == ["lost"]


def test_an_item_polled_after_a_deletion_is_kept(story):
    last = story.poll()[-1]
    story.delete()
    story.history.polled = [Polled("a", "p", 0, (last,), begin=76)]
    assert list(story.wrong()) == ["kept"]


@pytest.mark.parametrize(("read", "wrong"), [(60, ["kept"]), (72, []), (78, [])])
def test_a_batch_of_a_run_that_began_before_the_deletion_is_kept(story, read, wrong):
    story.delete(70)
    story.add("b6", 2, 80, 85)
    story.change("b6", read=read)
    assert list(story.wrong()) == wrong
    story.change("b6", outcome="killed")
    assert list(story.wrong()) == wrong


def test_a_refused_batch_that_is_stored_is_unheard_of(story):
    story.delete(70)
    story.add("b6", 2, 80, 85)
    story.change("b6", outcome="refused", read=60)
    assert "unheard of" in story.wrong()
    del story.documents[-2:]
    assert story.wrong() == {}


def test_a_session_of_an_owner_without_a_card_is_lost(story):
    story.delete(70, owner="ann")
    assert story.wrong() == {}, "it has no items"
    story.add("b6", 1, 80, 85)
    assert list(story.wrong()) == ["lost"]
    story.owners["a"] = "ann"
    assert story.wrong() == {}
