"""Explanations as text and with rich: aligned, bounded, and without a word that was said."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from rich.console import Console

from mongo_sessions import MongoSessionStore, TokenLimit
from mongo_sessions.explanations import Explanation
from mongo_sessions.explanations.parts import Amount, SharedPrefix
from mongo_sessions.explanations.text import cells
from tests.support.folding import summarised_session
from tests.support.policies import POLICIES
from tests.support.scribes import tokens, turns

SAID = ("question-", "answer-", "word")


def with_rich(explained: Explanation, width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO())
    console.print(explained)
    return console.file.getvalue()


@pytest.mark.parametrize("name", POLICIES)
async def test_no_drawing_has_text_of_the_conversation_or_more_than_80_columns(database, name):
    store = MongoSessionStore(database, token_counter=tokens, policy=POLICIES[name]())
    session = store.session("a")
    await session.add_items(turns(1, 20))
    await session.flush()
    explained = await session.explain()
    for drawn in (str(explained), repr(explained), with_rich(explained)):
        assert not any(said in drawn for said in SAID)
    assert max(map(len, str(explained).splitlines())) <= 80
    assert max(map(len, with_rich(explained).splitlines())) <= 80
    await store.close()


async def test_every_number_is_drawn_by_both(database):
    session = await summarised_session(database)
    await session.add_items(turns(9, 30))
    explained = await session.explain()
    plain = " ".join(str(explained).split())
    for amount in (explained.summary, explained.verbatim, explained.covered, explained.left_out):
        assert f"{amount.items:,} item" in plain
        assert f"{amount.tokens:,} tokens" in plain
    assert f"{explained.tokens:,} of 1,000 tokens" in plain
    assert f"Begins at item {explained.cut.seq} " in plain
    words = set(plain.split())
    assert words == set(with_rich(explained, 200).split())


def test_a_drawing_in_full():
    explained = Explanation(
        session_id="user-123",
        policy="TokenLimit(1000, block_tokens=375)",
        budget=1_000,
        verbatim=Amount(20, 500),
        trimmed=Amount(1, 125),
        trimmed_from=4_000,
        shown=Amount(21, 4_500),
        left_out=Amount(1_979, 45_500),
        summary=Amount(1, 125),
    )
    bar = "▓" * 8 + "█" * 32 + "▒" * 8 + "·" * 16
    assert str(explained).splitlines() == [
        "Session 'user-123': what the model sees now",
        "Policy       TokenLimit(1000, block_tokens=375)",
        "",
        bar,
        "750 of 1,000 tokens, 75 %",
        "",
        "In the prompt                 22 items       750 tokens",
        "  ▓ summary                    1 item        125 tokens",
        "  █ as stored                 20 items       500 tokens",
        "  ▒ shortened                  1 item        125 tokens  (of 4,000 stored)",
        "In the session             2,000 items    50,000 tokens",
        "    shown                     21 items     4,500 tokens",
        "    left out               1,979 items    45,500 tokens",
    ]


@pytest.mark.parametrize(
    "parts",
    [
        [("verbatim", 1)],
        [("summary", 1), ("verbatim", 10**9), ("free", 1)],
        [("summary", 1), ("verbatim", 1), ("trimmed", 1), ("added", 1), ("free", 1)],
        [("verbatim", 5_000), ("free", 1)],
    ],
)
def test_a_bar_has_its_width_and_shows_each_part(parts):
    drawn = cells(parts)
    assert [name for name, _ in drawn] == [name for name, _ in parts]
    assert sum(count for _, count in drawn) == 64
    assert min(count for _, count in drawn) >= 1


async def test_a_view_over_its_budget_says_so(database):
    session = MongoSessionStore(database, token_counter=tokens, policy=TokenLimit(20)).session("a")
    await session.add_items(turns(1, 3))
    assert "50 of 20 tokens, 250 %, over the budget" in str(await session.explain())


def test_rich_is_imported_only_to_draw_with_it():
    code = """if True:
        import sys
        from mongo_sessions import Explanation
        explained = Explanation(session_id="a")
        str(explained)
        assert "rich" not in sys.modules
        explained.__rich__()
        assert "rich" in sys.modules
    """
    subprocess.run([sys.executable, "-c", code], check=True)


async def test_items_that_an_api_would_reject_are_left_out_for_that_reason(database):
    session = MongoSessionStore(database, token_counter=tokens, policy=TokenLimit(1_000)).session(
        "a"
    )
    output = {"type": "function_call_output", "call_id": "gone", "output": "sunny"}
    await session.add_items([output, *turns(1, 2)])
    explained = await session.explain()
    assert (explained.left_out.items, explained.cut.seq) == (1, 2)
    assert "(without a counterpart)" in str(explained)


def test_one_item_is_not_called_items():
    one, two = (SharedPrefix(seq=2, items=items, tokens=9, share=0.56) for items in (1, 2))
    assert str(one) == "1 item, 9 tokens (56 %), the same as in the call that wrote item 2"
    assert str(two).startswith("2 items, ")
