"""Stored items are returned exactly: any JSON object, with types and key order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mongo_sessions import InvalidItem, ItemTooLarge, MongoSessionStore
from mongo_sessions.log.documents import MAX_ITEM_BYTES, decode, encode
from tests.support.examples import examples

anything = st.characters(codec=None)  # lone surrogates and NUL among them
texts = st.text(anything, max_size=20)
keys = st.one_of(
    texts,
    st.sampled_from(
        ["", "$ref", "$id", "$set", "a.b", ".", "_id", "id", "role", "\0", "a\0b", "$"]
    ),
)
numbers = st.one_of(
    st.integers(),
    st.integers(-(2**65), 2**65),
    st.sampled_from(
        [
            2**31,
            2**31 - 1,
            -(2**31) - 1,
            2**53 + 1,
            2**63 - 1,
            2**63,
            -(2**63),
            -(2**63) - 1,
            10**400,
        ]
    ),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1.0, 5e-324, 1.7976931348623157e308]),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)
items = st.dictionaries(keys, values, max_size=6)


def exactly(value: Any) -> Any:
    """A form that compares unequal where types or the order of keys differ, or a zero's sign."""
    if isinstance(value, dict):
        return ("dict", [(key, exactly(inner)) for key, inner in value.items()])
    if isinstance(value, list):
        return ("list", [exactly(inner) for inner in value])
    return (type(value).__name__, repr(value))


def nested(depth: int) -> dict:
    item: dict = {}
    for _ in range(depth - 1):
        item = {"inner": [item]} if depth % 2 else {"inner": item}
    return item


@given(st.lists(items, min_size=1, max_size=5))
@example([{"one": 1, "true": True, "float": 1.0, "zero": -0.0}])
@example([{"$ref": "c", "$id": 1}, {"nested": [{"$ref": "c", "$id": 1, "$db": "d"}]}])
@example([{"huge": 2**64, "list": [2**63]}])
@example([{"half": "\ud800", "\udfff": 1}])
@example([nested(79)])
@example([nested(80)])
@example([nested(150)])
@example([nested(400)])
@settings(max_examples=examples(30), suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_json_object_comes_back_identical(store, batch):
    session = store.session("a")
    await session.clear_session()
    await session.add_items(batch)
    assert exactly(await session.get_items()) == exactly(batch)
    assert exactly([entry.item async for entry in session.entries()]) == exactly(batch)
    assert exactly(await session.pop_item()) == exactly(batch[-1])


not_json = st.one_of(
    st.binary(),
    st.sampled_from([float("nan"), float("inf"), -float("inf")]),
    st.complex_numbers(),
    st.datetimes(),
    st.uuids(),
    st.tuples(st.integers()),
    st.frozensets(st.integers(), min_size=1),
    st.dictionaries(st.integers() | st.none() | st.binary(), st.none(), min_size=1),
)


@given(
    before=st.lists(items, max_size=3),
    bad=not_json,
    wrap=st.sampled_from([lambda b: b, lambda b: {"x": b}, lambda b: {"x": [1, {"y": b}]}]),
)
@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_batch_with_a_value_outside_json_is_refused(store, before, bad, wrap):
    item = wrap(bad)
    with pytest.raises(InvalidItem, match=rf"items\[{len(before)}\]"):
        await store.session("refused").add_items([*before, item])
    assert await store.session("refused").get_items() == []


async def test_the_largest_item_that_fits_is_stored_and_one_byte_more_is_refused(database):
    session = MongoSessionStore(database, token_counter=None).session("a")
    _, empty = encode({"content": ""})
    largest = {"content": "x" * (MAX_ITEM_BYTES - empty)}
    await session.add_items([largest])
    await session.add_items([largest, {"role": "user", "content": "next"}])
    assert len((await session.get_items(limit=2))[0]["content"]) == MAX_ITEM_BYTES - empty
    history = await session._history()
    newest = [entry async for entry in session.entries()][1]
    assert await history.save_summary(newest, {"text": "s" * 20_000}), "there is room for a summary"
    for batch in (
        [{"content": largest["content"] + "x"}],
        [{"role": "user"}, {"content": largest["content"] + "x"}],
    ):
        with pytest.raises(ItemTooLarge, match=f"{MAX_ITEM_BYTES + 1:,} bytes"):
            await session.add_items(batch)
    assert len([entry async for entry in session.entries()]) == 3


def test_items_are_stored_as_documents_that_can_be_queried():
    item = {"role": "user", "content": [{"type": "input_text", "text": "hello"}], "a.b": 1}
    assert encode(item)[0] == item


@pytest.mark.parametrize(
    "item", [{"$ref": 1}, {"x": 2**63}, {"x": "\ud800"}, {"a\0": 1}, nested(81)]
)
def test_a_value_outside_bson_is_stored_as_json_text(item):
    encoded, _ = encode(item)
    assert isinstance(encoded, str)
    assert exactly(json.loads(encoded)) == exactly(decode(encoded)) == exactly(item)
