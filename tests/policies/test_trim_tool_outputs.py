"""Shortened tool outputs: valid, deterministic, within their limit, and stable between blocks."""

from __future__ import annotations

import copy
import itertools
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mongo_sessions import (
    LastTurns,
    ListHistory,
    MongoSessionStore,
    SummarizeOlder,
    TiktokenCounter,
    TokenLimit,
    TrimToolOutputs,
)
from mongo_sessions.policies import Changed, HasMaintenance, NeedsTokenCounts, view_of
from mongo_sessions.policies.outputs import shorten_output
from mongo_sessions.policies.shortening import equal_share, shortened
from mongo_sessions.policy_checks import check_policy
from tests.policies.test_views import seeds
from tests.support.conversations import rejections
from tests.support.examples import examples
from tests.support.messages import user
from tests.support.scribes import Scribe
from tests.support.steps import steps_of
from tests.support.tool_outputs import (
    FILE,
    IMAGE,
    SCREENSHOT,
    check_against_the_api,
    tool_conversation,
)

count = TiktokenCounter()
CALL = {"type": "function_call", "call_id": "c", "name": "read", "arguments": "{}"}


def output_of(output: object, kind: str = "function_call") -> dict:
    return {"type": f"{kind}_output", "call_id": "c", "output": output, "status": "completed"}


def short(item: dict, max_tokens: int = 100, seq: int | None = 7) -> dict | None:
    found = shorten_output(item, max_tokens, tokens=count(item), seq=seq, count_tokens=count)
    return None if found is None else found.item


async def everything(history):
    return [entry.item async for entry in history.oldest_first()]


def test_the_middle_of_a_text_is_left_out_and_the_marker_says_how_much_and_where():
    text = " ".join(map(str, range(5_000)))
    item = output_of(text)
    shown = short(item)
    assert shown == {**item, "output": shown["output"]}
    head, missing, seq, tail = re.fullmatch(
        r"(.*)\[… ([\d,]+) characters left out: read the whole output at seq (\d+) …\](.*)",
        shown["output"],
    ).groups()
    assert text.startswith(head)
    assert text.endswith(tail)
    assert len(head) + int(missing.replace(",", "")) + len(tail) == len(text)
    assert seq == "7"
    assert 60 <= count(shown) <= 100
    assert item["output"] == text


@given(seed=seeds, limit=st.sampled_from([50, 200, 1_000]))
def test_any_output_stays_valid_within_the_limit_and_is_shortened_once(seed, limit):
    for item in tool_conversation(seed, 4):
        if not item.get("type", "").endswith("_output"):
            continue
        before = copy.deepcopy(item)
        shown = short(item, limit) if count(item) > limit else None
        assert item == before
        if item["type"] == "computer_call_output":
            assert shown is None
        elif count(item) > limit:
            check_against_the_api(shown)
            assert {**shown, "output": None} == {**item, "output": None}
            assert count(shown) <= limit
            assert short(copy.deepcopy(item), limit) == shown


def test_images_and_files_become_texts_that_name_them():
    parts = [{"type": "input_text", "text": "a " * 400}, IMAGE, FILE]
    shown = short(output_of(parts))["output"]
    assert [part["type"] for part in shown] == ["input_text"] * 3
    assert shown[1]["text"] == "[image left out: read the whole output at seq 7]"
    assert shown[2]["text"] == "[file report.pdf left out: read the whole output at seq 7]"


def test_a_shell_keeps_its_outcomes_and_a_screenshot_stays():
    exit_0, timeout = {"type": "exit", "exit_code": 0}, {"type": "timeout"}
    chunks = [
        {"stdout": "a " * 900, "stderr": "", "outcome": exit_0},
        {"stdout": "b", "stderr": "c " * 900, "outcome": timeout},
    ]
    shown = short(output_of(chunks, "shell_call"), 200)["output"]
    assert [chunk["outcome"] for chunk in shown] == [exit_0, timeout]
    assert (shown[0]["stderr"], shown[1]["stdout"]) == ("", "b")
    assert short(output_of(SCREENSHOT, "computer_call")) is None


@pytest.mark.parametrize(
    "output",
    [
        "data:image/png;base64," + "QUJD" * 5_000,
        [{"type": "input_text", "text": "word " * 9} for _ in range(500)],
        [{"stdout": "a", "stderr": "b", "outcome": {"type": "timeout"}} for _ in range(500)],
        [IMAGE] * 100,
    ],
    ids=["base64", "many texts", "many chunks", "many images"],
)
def test_what_does_not_fit_in_parts_becomes_one_marker(output):
    kind = "shell_call" if "stdout" in str(output)[:20] else "function_call"
    shown = short(output_of(output, kind))
    assert count(shown) <= 100
    check_against_the_api(shown)
    assert "left out" in str(shown["output"])
    least = short(shown, 1) or shown
    check_against_the_api(least)
    assert short(least, 1) is None, "a marker is not shortened"


@pytest.mark.parametrize("output", [None, 5, {"a": 1}, [], [1], ["text"], [{"type": "new"}]])
def test_an_output_of_an_unknown_shape_stays(output):
    item = {"type": "brand_new_output", "call_id": "c", "output": output}
    assert shorten_output(item, 50, tokens=9_999, seq=1, count_tokens=lambda _: 9_999) is None


@given(
    pieces=st.lists(
        st.sampled_from(["👩‍👩‍👧", "🇵🇹", "👍🏽", "e\u0301", "ab ", "\ud83d\ude00", "한", "\r\n"]),
        min_size=120,
    ),
    length=st.integers(0, 80),
)
def test_no_displayed_character_is_split(pieces, length):
    text = "".join(pieces)
    head, _, rest = shortened(text, length, None).partition("[…")
    tail = rest.partition("…]")[2]
    ends = set(itertools.accumulate(map(len, pieces), initial=0))
    flags = "\U0001f1f5\U0001f1f9"
    if flags * 3 not in text:  # flags in a row look like pairs of any two letters
        assert len(head) in ends or flags in text
        assert len(text) - len(tail) in ends or flags in text
    assert not head.endswith("\u200d")
    assert tail[:1] not in ("\u200d", "\u0301")


@given(lengths=st.lists(st.integers(0, 50), min_size=1), total=st.integers(0, 500))
def test_an_equal_share_uses_the_room(lengths, total):
    share = equal_share(lengths, total)
    used = sum(min(length, share) for length in lengths)
    assert used <= total or total == 0
    assert used == sum(lengths) or used > total - len(lengths)


def test_the_time_depends_on_the_limit_and_not_on_the_output():
    def counted(item: dict) -> int:
        assert len(str(item)) < 3_000, "no long text is counted"
        return len(str(item)) // 4

    item = output_of("word " * 1_000_000)
    found = shorten_output(item, 500, tokens=10**6, seq=1, count_tokens=counted)
    assert found.tokens <= 500
    once, twice = (
        steps_of(lambda text: short(output_of(text)), "a👍🏽 " * size) for size in (50_000, 100_000)
    )
    assert twice < 1.5 * once


def turn(number: int, words: int = 600) -> list[dict]:
    call = {**CALL, "call_id": f"c{number}"}
    text = f"{number} " * words
    output = {"type": "function_call_output", "call_id": f"c{number}", "output": text}
    return [user(number), call, output, {"role": "assistant", "content": "ok"}]


@pytest.mark.parametrize(("keep", "block"), [(2, 2), (1, 3), (5, 1)])
async def test_the_boundary_moves_by_whole_blocks_of_absolute_turns(keep, block):
    history = ListHistory([], token_counter=count)
    policy = TrimToolOutputs(everything, max_tokens=100, keep_turns=keep, block_turns=block)
    before: list[dict] = []
    moves = 0
    for newest in range(1, 25):
        for item in turn(newest):
            history.append(item)
        view = await policy.view(history)
        last_old = block * ((newest - keep) // block) if newest > keep else 0
        changed = [part for part in view.parts if isinstance(part, Changed)]
        assert [part.entry.turn for part in changed] == list(range(1, last_old + 1))
        assert all(f"seq {part.entry.seq} …]" in part.item["output"] for part in changed)
        assert all(part.tokens == count(part.item) <= 100 for part in changed)
        moves += view.items[: len(before)] != before
        before = view.items
    assert moves == (24 - keep) // block


async def test_a_huge_output_of_the_running_turn_is_bounded_in_the_same_way_later():
    policy = TrimToolOutputs(
        everything, max_tokens=100, keep_turns=2, block_turns=2, newest_max_tokens=1_000
    )
    history = ListHistory(turn(1, 5_000), token_counter=count)
    first = (await policy(history))[2]
    assert 900 < count(first) <= 1_000
    assert "seq" not in first["output"], "in the run that makes it, it has none"
    for item in turn(2):
        history.append(item)
    assert (await policy(history))[2] == first
    for number in (3, 4):
        for item in turn(number):
            history.append(item)
    old = (await policy(history))[2]
    assert count(old) <= 100
    assert "seq 3 …]" in old["output"]


POLICIES = {
    "everything": lambda: everything,
    "TokenLimit": lambda: TokenLimit(3_000),
    "LastTurns": lambda: LastTurns(4),
    "SummarizeOlder": lambda: SummarizeOlder(Scribe(), max_tokens=3_000, background=False),
}


@settings(max_examples=examples(20))
@pytest.mark.parametrize("name", POLICIES)
@given(
    seed=seeds,
    length=st.integers(0, 12),
    broken=st.integers(0, 4),
    late=st.sampled_from([0, 0.3]),
)
async def test_around_any_policy_a_view_is_valid_and_its_own_view_is_not_changed(
    name, seed, length, broken, late
):
    items = tool_conversation(seed, length, broken, late=late)
    before = copy.deepcopy(items)
    trim = TrimToolOutputs(
        POLICIES[name](), max_tokens=100, keep_turns=2, block_turns=2, newest_max_tokens=400
    )
    history = ListHistory(items, token_counter=count)
    for _ in range(20 if name == "SummarizeOlder" else 0):  # each read folds a block
        await trim(history)
    view = await trim.view(history)
    inner = await view_of(trim.policy, history)
    if name != "everything":
        assert rejections(view.items) == []
    assert items == before
    assert [str(i.get("call_id")) for i in view.items] == [
        str(i.get("call_id")) for i in inner.items
    ]
    for item in view.items:
        check_against_the_api(item)
        if item.get("type", "").endswith("_output") and "computer" not in item["type"]:
            assert count(item) <= 400
    assert (await trim.view(history)).items == view.items
    shown = {p.entry.seq: p for p in view.parts if isinstance(p, Changed)}
    history.entries = [
        replace(entry, item=shown[entry.seq].item, tokens=shown[entry.seq].tokens)
        if entry.seq in shown
        else entry
        for entry in history.entries
    ]
    again = await TrimToolOutputs(
        everything, max_tokens=100, keep_turns=2, block_turns=2, newest_max_tokens=400
    ).view(history)
    assert not [
        part for part in again.parts if isinstance(part, Changed) and part.entry.seq in shown
    ]


async def test_the_store_shows_the_shortened_output_and_keeps_the_whole(database):
    store = MongoSessionStore(
        database,
        policy=TrimToolOutputs(TokenLimit(16_000), max_tokens=100, keep_turns=1, block_turns=1),
    )
    session = store.session("a")
    items = [*turn(1), *turn(2)]
    await session.add_items(items)
    view = await session.get_items()
    assert view[2] != items[2]
    assert "seq 3 …]" in view[2]["output"]
    assert [view[:2], view[3:]] == [items[:2], items[3:]]
    assert await session.get_items(limit=8) == items
    assert [entry.item async for entry in session.entries()][2] == items[2]


def test_only_a_policy_with_maintenance_gives_it():
    plain = TrimToolOutputs(TokenLimit(1_000))
    older = SummarizeOlder(Scribe())
    around = TrimToolOutputs(TrimToolOutputs(older))
    assert not isinstance(plain, HasMaintenance)
    assert isinstance(around, HasMaintenance)
    assert around.maintain == older.maintain
    for policy in (plain, around, TrimToolOutputs(everything)):
        assert isinstance(policy, NeedsTokenCounts)
        check_policy(policy, has_token_counts=True)
        with pytest.raises(ValueError, match="needs token counts"):
            check_policy(policy, has_token_counts=False)


async def test_summaries_are_made_through_the_wrapper(database):
    scribe = Scribe()
    trim = TrimToolOutputs(
        SummarizeOlder(scribe, max_tokens=1_000), max_tokens=50, keep_turns=1, block_turns=1
    )
    session = MongoSessionStore(database, policy=trim).session("a")
    await session.add_items([item for n in range(6) for item in turn(n, 100)])
    await session.flush()
    assert scribe.requests
    assert "<conversation_summary>" in (await session.get_items())[0]["content"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_tokens": 49}, "max_tokens must be at least 50, got 49"),
        ({"keep_turns": 0}, "keep_turns must be at least 1, got 0"),
        ({"block_turns": 0}, "block_turns must be at least 1, got 0"),
        ({"newest_max_tokens": 99}, "newest_max_tokens must be at least 100, got 99"),
        ({"policy": 5}, "policy must be a coroutine function"),
        ({"policy": lambda history: []}, "policy must be a coroutine function"),
    ],
)
def test_a_wrong_argument_is_named(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        TrimToolOutputs(**({"policy": TokenLimit(9), "max_tokens": 100} | arguments))


def test_any_text_may_stand_in_place_of_a_marker():
    """A tool that imitates a marker neither escapes the limit nor takes long."""
    fakes = ["[… " * 50_000, "[… 9 characters left out …]" * 5_000, "[… 999,999," * 20_000]
    for text in fakes:
        shown = short(output_of(text))
        assert count(shown) <= 100
