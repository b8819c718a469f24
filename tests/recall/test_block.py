"""The block of recalled items, and what it is made from: in memory."""

from __future__ import annotations

import asyncio
import logging
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mongo_sessions import ListHistory, Recall, TiktokenCounter, TokenLimit
from mongo_sessions.policies.recall.excerpts import excerpt
from mongo_sessions.policies.recall.small_talk import is_small_talk
from mongo_sessions.policies.recall.terms import terms_of
from tests.support.examples import examples

count = TiktokenCounter()
ANY_TEXT = st.text(max_size=400) | st.text("ab QX-4711\n<#[", max_size=4_000)


def patient(max_tokens: int = 1_000) -> Recall:
    return Recall(TokenLimit(100), max_tokens, seconds=60)


async def block_of(items: list[dict], text: str, policy: Recall | None = None) -> dict | None:
    history = ListHistory(items, token_counter=count)
    asked = [{"role": "user", "content": text}]
    return await (policy or patient()).recalled(history, asked)


@settings(deadline=None, max_examples=examples(30))
@given(texts=st.lists(ANY_TEXT, max_size=12), max_tokens=st.integers(100, 1_200))
def test_a_block_is_bounded_and_each_item_begins_one_line(texts, max_tokens):
    items = [{"role": "user", "content": text} for text in ["code QX-4711", *texts]]
    items += [{"role": "assistant", "content": f"row {n}"} for n in range(20)]
    block = asyncio.run(block_of(items, "Which code was it, QX-4711?", patient(max_tokens)))
    assert block is not None
    assert count(block) <= max_tokens
    lines = block["content"].splitlines()
    assert lines[0] == "<conversation_record>"
    assert lines[-1] == "</conversation_record>"
    assert block["content"].count("conversation_record>") == 2
    block["content"].encode()
    heading = re.compile(r"\[\d{4}-\d\d-\d\d\]|#\d+ (user|assistant): |  ")
    assert all(heading.match(line) for line in lines[2:-1])


@given(st.text(max_size=3_000), st.integers(1, 500))
def test_an_excerpt_is_bounded(text, length):
    assert len(excerpt(text, terms_of("code QX-4711"), length)) <= max(length, 1) + 2


async def test_a_long_item_is_shortened_around_the_match():
    long = "word " * 5_000 + "The code is QX-4711." + " word" * 5_000
    items = [{"role": "user", "content": long}, *({"role": "user", "content": "Hi"},) * 9]
    block = await block_of(items, "Which code?", patient(200))
    assert block is not None
    assert "QX-4711" in block["content"]
    assert "…" in block["content"]


async def test_a_call_and_its_output_are_named():
    items = [
        {"type": "function_call", "call_id": "c", "name": "find", "arguments": '{"x": "alpha"}'},
        *({"role": "user", "content": f"row {n}"} for n in range(20)),
        {"type": "function_call_output", "call_id": "c", "output": "the zebra is shipped"},
    ]
    block = await block_of(items, "zebra", patient())
    assert block is not None
    assert "find returned: the zebra is shipped" in block["content"]
    block = await block_of(items, "alpha", patient())
    assert block is not None
    assert 'assistant called find: {"x": "alpha"}' in block["content"]


async def test_of_two_values_the_newer_is_last():
    items = [
        {"role": "user", "content": "My code is A-1."},
        *({"role": "assistant", "content": f"row {n}"} for n in range(20)),
        {"role": "user", "content": "My code is B-2 now."},
    ]
    block = await block_of(items, "What is my code?")
    assert block is not None
    assert block["content"].index("A-1") < block["content"].index("B-2")


@pytest.mark.parametrize(
    "text",
    [
        "Hi!",
        "Thanks a lot, that was great.",
        "Yes, go ahead",
        "Danke schön",
        "¡Gracias!",
        "你好",
        "ありがとう",
        "",
        "?!",
        "🙂",
    ],
)
async def test_small_talk_recalls_nothing(text):
    assert is_small_talk(text)
    items = [{"role": "user", "content": f"{text} row {n}"} for n in range(9)]
    assert await block_of(items, text) is None


@pytest.mark.parametrize(
    "text", ["Lisbon?", "QX-4711", "And the invoice?", "北京", "Danke, und der Preis?"]
)
def test_a_message_with_a_topic_is_no_small_talk(text):
    assert not is_small_talk(text)


async def test_words_that_most_items_have_recall_nothing():
    items = [{"role": "user", "content": f"the parcel number {n}"} for n in range(50)]
    assert await block_of(items, "And the parcel?") is None


async def test_a_search_that_hangs_is_given_up(caplog):
    class Hanging(ListHistory):
        async def search(self, *_, **__):
            await asyncio.Event().wait()

    history = Hanging([{"role": "user", "content": "code"}], token_counter=count)
    policy = Recall(TokenLimit(100), seconds=0.01)
    assert await policy.recalled(history, [{"role": "user", "content": "Which code?"}]) is None
    [record] = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert "Timeout" in record.getMessage()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((TokenLimit(100), 99), ValueError, "max_tokens must be at least 100, got 99"),
        ((TokenLimit(100), 1.5), TypeError, "max_tokens must be a whole number, got 1.5"),
        ((TokenLimit,), TypeError, "policy must be a coroutine function"),
    ],
)
def test_a_bad_argument_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        Recall(*arguments)
    with pytest.raises(ValueError, match="seconds must be positive, got 0"):
        Recall(TokenLimit(100), seconds=0)


async def test_the_budget_of_the_whole_prompt_includes_the_block_and_another_does_not():
    items = [{"role": "user", "content": f"row {n}"} for n in range(2_000)]
    history = ListHistory(items, token_counter=count)
    inner, whole = TokenLimit(4_000), TokenLimit(4_000, whole_prompt=True)
    assert await Recall(inner)(history) == await inner(history)
    assert sum(map(count, await Recall(whole, 1_000)(history))) <= 3_000


@pytest.mark.parametrize("has_question", [True, False])
async def test_a_picture_behind_a_question_belongs_to_it(has_question):
    picture = {"role": "user", "content": [{"type": "input_image", "image_url": "https://a.b/c"}]}
    asked = [{"role": "user", "content": "Which code?"}] if has_question else []
    items = [
        {"role": "user", "content": "The code is QX-4711."},
        *({"role": "user", "content": "Hi"},) * 9,
    ]
    history = ListHistory(items, token_counter=count)
    shown = [{"role": "assistant", "content": "The code is shown."}, *asked, picture]
    block = await patient().recalled(history, shown)
    assert ("QX-4711" in str(block)) == has_question
