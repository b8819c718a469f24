"""Lines that are not an export, and arguments that are wrong, are refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mongo_sessions import InvalidLine, MongoSessionStore
from tests.log.test_exactness import exactly
from tests.support.filling import fill
from tests.support.transfers import USER, exported

HEADER = '{"format":"mongo-sessions","version":1}'
ENTRY = {"seq": 1, "item": USER, "created_at": "2026-01-31T12:00:00.000Z", "turn": 1}


def lines_with(**changes: Any) -> list[str]:
    entry = {name: value for name, value in {**ENTRY, **changes}.items() if value is not ...}
    return [HEADER, '{"session":"a"}', json.dumps(entry), '{"end":"a","entries":1}']


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "no lines"),
        (["{}"], 'line 1: an export begins with {"format"'),
        (['{"format":"mongo-sessions","version":2}'], "line 1: .*version 2.*newer"),
        (['{"format":"mongo-sessions","version":"1"}'], "line 1: the version"),
        ([HEADER, "", "{"], "line 3: it is not JSON"),
        ([HEADER, b"\xff"], "line 2: it is not UTF-8"),
        ([HEADER, "[" * 100_000], "line 2: it is nested too deeply"),
        ([HEADER, "[]"], "line 2: it is not a JSON object"),
        ([HEADER, '{"seq":NaN}'], "line 2: NaN is not JSON"),
        ([HEADER, '{"session":"a"}'], "after line 2: .*'a'"),
        ([HEADER, '{"session":""}'], "line 2: session_id must not be empty"),
        ([HEADER, '{"session":{"$gt":""}}'], "line 2: session_id must be a str"),
        ([HEADER, '{"session":"a"}', '{"session":"b"}'], "line 3: .*end of 'a'"),
        ([HEADER, json.dumps(ENTRY)], "line 2: it belongs to no session"),
        ([HEADER, '{"session":"a"}', '{"end":"a","entries":1}'], "line 3: .*missing"),
        ([HEADER, '{"session":"a"}', '{"end":"b","entries":0}'], "line 3: .*missing"),
        ([HEADER, '{"session":"a","x":1}'], "line 2: the field 'x'"),
        ([HEADER, '{"session":"a","card":{"owner":1}}'], "line 2: .*created_at"),
        (lines_with(x=1), "line 3: the field 'x' is not known"),
        (lines_with(pins={}), "line 3: pins must be a list, got dict"),
        (lines_with(item=...), "line 3: the field 'item' is missing"),
        (lines_with(item=[1]), "line 3: item must be a dict"),
        (lines_with(seq=0), "line 3: seq must be a whole number"),
        (lines_with(seq=True), "line 3: seq must be a whole number"),
        (lines_with(seq=2**63), "line 3: seq must be a whole number"),
        (lines_with(turn="secret"), "line 3: turn must be a whole number"),
        (lines_with(gaps=1), "line 3: gaps must be less than seq"),
        (lines_with(tokens=-1), "line 3: tokens must be a whole number"),
        (lines_with(created_at="2026-01-31"), "line 3: created_at must be a date"),
        (lines_with(created_at={"$gt": 0}), "line 3: created_at must be a date"),
        (lines_with(summary=["secret"]), "line 3: summary must be a JSON object"),
        (lines_with(summary={"$where": "secret"}), "line 3: summary holds"),
        (lines_with(summary={"x": "\ud800"}), "line 3: summary holds"),
        (lines_with(pins=[{"seq": 1}]), r"line 3: pins\[0\] must be"),
        (lines_with(pinned=1), "line 3: pinned must be true"),
    ],
)
async def test_a_bad_line_is_named_and_nothing_of_it_is_stored(store, database, lines, message):
    with pytest.raises(InvalidLine, match=message) as caught:
        await store.import_lines(lines)
    assert "secret" not in str(caught.value)
    assert await database["session_items"].count_documents({}) == 0


async def test_a_line_that_is_missing_in_the_middle_is_noticed(store, database):
    await fill(database, [{**USER, "n": n} for n in range(600)], lambda _: 1)
    lines = await exported(store)
    copies = MongoSessionStore(database, collection="copies")
    with pytest.raises(InvalidLine, match=r"line 602: .*599 items"):
        await copies.import_lines(lines[:100] + lines[101:])


async def test_texts_that_look_like_operators_are_data(store, database):
    item = {"$where": "sleep(1)", "role": "user", "content": "{$ne: null}", "a": [{"$set": {}}]}
    await store.session("{$gt: ''}").add_items([item])
    lines = await exported(store)
    copies = MongoSessionStore(database, collection="copies")
    await copies.import_lines(lines)
    assert exactly(await copies.session("{$gt: ''}").get_items()) == exactly([item])


async def test_arguments_are_checked(store):
    with pytest.raises(TypeError, match="lines must be an iterable"):
        await store.import_lines(HEADER)
    with pytest.raises(TypeError, match="progress"):
        await store.import_lines([HEADER], progress=1)
    for wrong, message in [
        ({"session_ids": "abc"}, "session_ids must be several"),
        ({"session_ids": [1]}, "session_id must be a str"),
        ({"owner": {"$ne": 1}}, "owner must be a str"),
        ({"prefix": 1}, "prefix must be a str"),
        ({"prefix": "a", "session_ids": ["a"]}, "exclude each other"),
    ]:
        with pytest.raises((TypeError, ValueError), match=message):
            store.export(**wrong)


async def test_what_is_no_line_is_refused(database):
    lines: Any = [HEADER, 5]
    with pytest.raises(TypeError, match="line 2 must be a str or bytes, got int"):
        await MongoSessionStore(database).import_lines(lines)


async def test_an_item_of_15_mb_is_imported_but_not_with_a_summary_of_2(store):
    large = {**USER, "content": "x" * (15 * 1024 * 1024)}
    with pytest.raises(InvalidLine, match="the item and its summary do not fit into one document"):
        await store.import_lines(lines_with(item=large, summary={"text": "y" * 2_000_000}))
    assert await store.session("a").get_items() == []
    await store.import_lines(lines_with(item=large))
    assert await store.session("a").get_items() == [large]
