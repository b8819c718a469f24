"""The newest turns: in blocks at absolute numbers, and valid for any history."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mongo_sessions import LastTurns, ListHistory, MongoSessionStore
from mongo_sessions.policies import CutReason, drop_unpaired, starts_turn, view_of
from tests.policies.test_late_outputs import OUTPUT, RESPONSE
from tests.policies.test_views import count, seeds
from tests.support.conversations import conversation, rejections
from tests.support.messages import user
from tests.support.scribes import turns


def history_of(items: list[dict]) -> ListHistory:
    return ListHistory(items, token_counter=count)


def first_turn(keep: int, block: int, newest: int) -> int:
    """By definition: the last begin of a block that leaves ``keep`` turns."""
    begins = range(1, newest + 1, block)
    return max([begin for begin in begins if newest - begin + 1 >= keep], default=1)


@pytest.mark.parametrize(("keep", "block"), [(1, 1), (3, 3), (3, 1), (2, 5), (5, 2)])
async def test_the_view_moves_by_whole_blocks_of_absolute_turns(keep, block):
    history = history_of([{"role": "assistant", "content": "Welcome"}])
    policy = LastTurns(keep, block_turns=block)
    for newest in range(1, 25):
        history.append(user(newest))
        history.append({"role": "assistant", "content": "ok"})
        view = await policy.view(history)
        begin = first_turn(keep, block, newest)
        shown = [int(item["content"]) for item in view.items if starts_turn(item)]
        assert shown == list(range(begin, newest + 1))
        assert (view.items[0]["content"] == "Welcome") == (begin == 1)
        assert view.reason is (CutReason.WHOLE if begin == 1 else CutReason.TURNS)
        assert view.start_seq == (1 if begin == 1 else 2 * begin)
        assert view.budget is None


@given(
    seed=seeds,
    length=st.integers(0, 25),
    broken=st.integers(0, 6),
    late=st.sampled_from([0, 0.3]),
    keep=st.integers(1, 8),
)
async def test_views_of_any_history_are_valid_and_have_the_newest_item(
    seed, length, broken, late, keep
):
    items = conversation(seed, length, broken, late=late)
    view = await view_of(LastTurns(keep), history_of(items))
    assert rejections(view.items) == []
    assert all(any(item is original for original in items) for item in view.items)
    if valid := drop_unpaired(items):
        assert view.items[-1] is valid[-1]
    assert await LastTurns(keep)(history_of(view.items)) == view.items


@given(seed=seeds, keep=st.integers(1, 6), block=st.integers(1, 6))
async def test_a_view_begins_with_the_whole_view_before_it_except_once_a_block(seed, keep, block):
    items = conversation(seed, turns=40)
    ends = [n for n, item in enumerate(items) if starts_turn(item)][1:]
    policy = LastTurns(keep, block_turns=block)
    views = [await policy(history_of(items[:end])) for end in ends]
    moves = sum(later[: len(earlier)] != earlier for earlier, later in itertools.pairwise(views))
    assert moves <= len(ends) // block


async def test_a_late_output_brings_its_call_along():
    items = [*turns(1, 10), user("refund"), *RESPONSE, *turns(12, 40), OUTPUT, *turns(41, 42)]
    view = await LastTurns(3, block_turns=1).view(history_of(items))
    assert view.items == [*RESPONSE, *items[-7:]]
    assert rejections(view.items) == []


async def test_items_without_any_user_message_are_shown():
    items = [{"role": "assistant", "content": str(n)} for n in range(50)]
    assert await LastTurns(2)(history_of(items)) == items
    assert await LastTurns(2)(history_of([])) == []


async def test_only_the_shown_turns_are_read_and_no_counts_are_needed(database, sent):
    store = MongoSessionStore(database, token_counter=None, policy=LastTurns(3))
    session = store.session("a")
    await session.add_items(turns(1, 1_000))
    shown = await session.get_items()
    assert [item["content"].split()[0] for item in shown[::2]] == [
        f"question-{n}" for n in range(997, 1_001)
    ]
    sent.clear()
    assert await session.get_items() == shown
    (find,) = sent.started_events
    assert find.command["limit"] < 30


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"keep_turns": 0}, "keep_turns must be at least 1, got 0"),
        ({"keep_turns": "3"}, "keep_turns must be a whole number, got '3'"),
        ({"keep_turns": 3, "block_turns": 0}, "block_turns must be at least 1, got 0"),
    ],
)
def test_a_wrong_number_is_named(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        LastTurns(**arguments)
