"""The torture test's checker reports each kind of damage: redactions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.torture.journal import Looked, Polled, Redacted
from tests.torture.marks import Covered, Mark, Version

MARK = Mark("b1", 1, 3)
UNKNOWN = ["killed", "failed", "cancelled"]


@pytest.mark.parametrize("outcome", ["acknowledged", *UNKNOWN])
def test_a_redaction_changes_one_item(story, outcome):
    story.summarise("b0")
    story.redact("b1", 1, outcome=outcome)
    story.poll()
    story.add("b6", 2, 80, 85)
    story.poll()
    assert story.wrong() == {}


@pytest.mark.parametrize("outcome", [*UNKNOWN, "refused"])
def test_an_unacknowledged_redaction_may_have_changed_nothing(story, outcome):
    story.history.redacted.append(Redacted("a", MARK, "r", 70, 75, outcome))
    assert story.wrong() == {}


def test_an_item_that_still_says_the_old_text_is_kept(story):
    old = story.documents[story.place("b1", 1)]["item"]
    document = story.redact("b1", 1)
    document["item"] = old
    assert list(story.wrong()) == ["kept"]


def test_an_item_says_what_the_last_redaction_wrote(story):
    first = story.redact("b1", 1, 70)["item"]
    document = story.redact("b1", 1, 80)
    assert story.wrong() == {}
    document["item"] = first
    assert list(story.wrong()) == ["kept"]
    story.history.redacted[1] = Redacted("a", MARK, "redact-80", 74, 85, "acknowledged")
    assert story.wrong() == {}, "at the same time, either may be the last"


def test_a_popped_item_says_the_new_text_if_it_was_redacted_before(story):
    old = story.documents[-1]["item"]
    story.redact("b5", 0, 70)
    popped = story.pop(80)
    assert story.wrong() == {}
    popped["popped"]["item"] = old
    assert list(story.wrong()) == ["kept"]
    story.history.popped[0] = replace(story.history.popped[0], begin=60)
    assert story.wrong() == {}, "it may have been popped before"


@pytest.mark.parametrize(("outcome", "begin"), [("killed", 80), ("refused", 80)])
def test_an_item_that_another_redaction_has_changed_is_unheard_of(story, outcome, begin):
    document = story.redact("b1", 1, begin, outcome)
    document["item"] = {**document["item"], "output": f"{Version(MARK, 'another')} text"}
    assert "unheard of" in story.wrong()


def test_a_refused_redaction_that_changed_something_is_unheard_of(story):
    story.redact("b1", 1, outcome="refused")
    assert "unheard of" in story.wrong()


@pytest.mark.parametrize(("begin", "wrong"), [(72, []), (74, []), (76, ["kept"])])
def test_the_old_text_in_a_read_after_the_redaction_is_kept(story, begin, wrong):
    seen = story.poll()
    story.redact("b1", 1, 70)
    assert story.wrong() == {}
    story.history.polled = [Polled("a", "p", 0, tuple(seen), begin)]
    assert list(story.wrong()) == wrong
    story.history.polled = []
    story.history.looked = [Looked("a", (Version(MARK),), begin)]
    assert list(story.wrong()) == wrong
    story.history.looked = [Looked("a", (Version(MARK, "redact-70"),), begin)]
    assert story.wrong() == {}


def test_a_summary_of_the_old_text_is_mistold(story):
    summary = story.summarise("b3")
    story.redact("b1", 1)
    assert list(story.wrong()) == ["mistold"]
    (redacted,) = story.history.redacted
    for outcome in UNKNOWN:
        story.history.redacted = [Redacted("a", MARK, redacted.redaction, 70, 75, outcome)]
        assert story.wrong() == {}, "the redaction may have replaced the item alone"
    summary["segments"][0]["text"] = str(Covered.of([MARK]))
    assert list(story.wrong()) == ["mistold"]


def test_a_redaction_that_changed_another_item_too_is_reported(story):
    story.redact("b1", 1)
    story.documents[0]["item"] = {"role": "user", "content": "#b0:0/1#~redact-70~"}
    assert "unheard of" in story.wrong()


def test_a_redaction_takes_one_place(story):
    story.redact("b1", 1)
    story.take("another")
    assert list(story.wrong()) == ["unheard of"]
