"""The deduction of what is outside the history, without a database."""

from __future__ import annotations

import pytest

from mongo_sessions.policies import ListHistory, TokenLimit
from tests.support.messages import user


def history(overhead: int, items: int = 400) -> ListHistory:
    found = ListHistory([user(n) for n in range(items)], token_counter=lambda item: 10)
    found.overhead_tokens = overhead
    return found


@pytest.mark.parametrize("overhead", [1, 99, 100, 101, 500, 1_000, 1_400])
async def test_the_rest_of_the_prompt_and_a_step_for_the_input_are_deducted(overhead):
    policy = TokenLimit(1_600, whole_prompt=True)
    for items in range(350, 400):
        view = await policy.view(history(overhead, items))
        assert 10 <= 10 * len(view.items) <= 1_500 - overhead
        assert view.items[-1] == user(items - 1)


async def test_nothing_is_deducted_without_the_option_or_while_unknown():
    plain = await TokenLimit(1_600)(history(1_000))
    assert await TokenLimit(1_600, whole_prompt=True)(history(0)) == plain
    assert 10 * len(plain) > 1_000


async def test_a_small_change_of_the_estimate_does_not_move_the_window():
    policy = TokenLimit(1_600, whole_prompt=True)
    views = [await policy(history(overhead)) for overhead in (401, 430, 480, 500)]
    assert all(view == views[0] for view in views)


@pytest.mark.parametrize("overhead", [1_595, 1_600, 50_000])
async def test_without_room_the_newest_item_is_shown_and_one_warning_logged(overhead, caplog):
    policy = TokenLimit(1_600, whole_prompt=True)
    for _ in range(3):
        assert await policy(history(overhead)) == [user(399)]
    [record] = caplog.records
    message = record.getMessage()
    assert (
        "has 10 tokens and is shown whole, although max_tokens is 1600 and the rest of " in message
    )
    assert f"has {overhead} (logged once)" in message


def test_the_option_is_in_the_repr():
    expected = "TokenLimit(1600, block_tokens=600, whole_prompt=True)"
    assert repr(TokenLimit(1_600, whole_prompt=True)) == expected
