"""Markers tell that time has passed, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mongo_sessions import GapMarkers, ListHistory, MongoSessionStore, SummarizeOlder, TokenLimit
from mongo_sessions.policies import Added, drop_unpaired, view_of
from mongo_sessions.policies.policy import HasMaintenance, NeedsTokenCounts
from tests.support.conversations import conversation
from tests.support.scribes import Scribe, tokens, turns

START = datetime(2026, 11, 22, 10, 0, tzinfo=timezone.utc)


def at(items: list[dict], *hours: float) -> ListHistory:
    """A history whose items were added this many hours after the start."""
    history = ListHistory(items, token_counter=tokens)
    for index, hour in enumerate(hours):
        created_at = START + timedelta(hours=hour)
        history.entries[index] = replace(history.entries[index], created_at=created_at)
    return history


async def everything(history):
    return [entry.item async for entry in history.oldest_first()]


def markers(items: list[dict]) -> list[str]:
    return [str(i["content"]) for i in items if str(i.get("content")).startswith("(Note: ")]


@pytest.mark.parametrize(
    ("hours", "words"),
    [(49, "2 days later, 2026-11-24"), (24.5, "24 hours later, 2026-11-23"), (5.9, None)],
)
async def test_a_long_pause_has_a_marker_with_length_and_date(hours, words):
    history = at(turns(1, 2), 0, 0, hours, hours)
    items = await GapMarkers(everything)(history)
    assert markers(items) == ([f"(Note: {words})"] if words else [])
    assert [item for item in items if not markers([item])] == turns(1, 2)


async def test_it_stands_in_front_of_a_user_message_and_tells_what_it_is():
    view = await GapMarkers(everything).view(at(turns(1, 2), 0, 0, 49, 49))
    assert [type(part) is Added and part.kind for part in view.parts] == [
        False,
        False,
        "gap",
        False,
        False,
    ]
    assert len(str(view.items[2]["content"]).split()) == 5


async def test_a_call_that_waits_for_days_is_not_separated_from_its_output():
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c", "output": "done"}
    items = [turns(1, 1)[0], call, turns(2, 2)[0], output, turns(2, 2)[1]]
    view = await GapMarkers(everything)(at(items, 0, 0, 72, 144, 144))
    assert view == items


@given(seed=st.integers(0, 10**6))
async def test_any_view_stays_valid_and_the_newest_item_stays_last(seed):
    items = conversation(seed, 12)
    history = at(items, *(9 * n for n in range(len(items))))
    plain = (await view_of(TokenLimit(300), history)).items
    marked = await GapMarkers(TokenLimit(300))(history)
    assert drop_unpaired(marked) == marked
    assert [item for item in marked if not markers([item])] == plain
    assert marked[-1:] == plain[-1:]


async def test_the_prefix_stands_still():
    hours = [0, 0, 30, 30, 31, 31, 90, 90]
    items = turns(1, 4)
    before: list[dict] = []
    for end in range(2, 9, 2):
        view = await GapMarkers(everything)(at(items[:end], *hours[:end]))
        assert view[: len(before)] == before
        before = view
    assert len(markers(before)) == 2


async def test_the_policy_inside_still_folds_and_counts(any_database):
    inside = SummarizeOlder(Scribe(), max_tokens=1_000)
    policy = GapMarkers(inside)
    assert isinstance(policy, HasMaintenance)
    assert isinstance(policy, NeedsTokenCounts)
    assert not isinstance(GapMarkers(everything), NeedsTokenCounts)
    store = MongoSessionStore(any_database, token_counter=tokens, policy=policy)
    session = store.session("a")
    await session.add_items(turns(1, 8))
    await session.flush()
    await session.pin(1)
    assert ", item 1] user: question-1" in str((await session.get_items())[0]["content"])
    assert "SummarizeOlder" in repr(policy)


@pytest.mark.parametrize(
    ("longer_than", "error"), [(60, TypeError), (timedelta(seconds=59), ValueError)]
)
def test_the_arguments_are_checked(longer_than, error):
    with pytest.raises(error, match="longer_than"):
        GapMarkers(everything, longer_than=longer_than)
    with pytest.raises(TypeError, match="policy must be a coroutine function"):
        GapMarkers(5)
