"""The commands on what an older version has stored, and on what a newer one may store.

``older_documents.jsonl`` holds documents as the first versions wrote them: without marks, receipts,
cards and the usage of summaries, and with a field ``next`` that was given up.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bson import json_util

from mongo_sessions import MongoSessionStore
from tests.cli.test_changing import HERE

ITEMS = "session_items"
DOCUMENTS = Path(__file__).with_name("older_documents.jsonl").read_text().splitlines()


@pytest.fixture
async def older(database) -> Any:
    """A collection of an older version, with the indexes that it had."""
    items = database[ITEMS]
    key = [("session_id", 1), ("seq", -1)]
    await items.create_index(key, name="session_seq", unique=True)
    partial = {"summary": {"$exists": True}}
    await items.create_index(key, name="session_summary", partialFilterExpression=partial)
    await items.insert_many([json_util.loads(line) for line in DOCUMENTS])
    return database


LOOKING = [
    (("ls",), 0, "uncounted"),
    (("show", "plain"), 0, "as JSON text"),
    (("show", "long", "--policy", "summarize-older:1000"), 0, "the summary ends here, on item 6"),
    (("view", "long", "--policy", "summarize-older:1000"), 0, "Ann takes the ferry"),
    (("why", "long", "--policy", "summarize-older:1000"), 0, "of everything up to item 6"),
    (("find", "plain", "ferry"), 0, "Which ferry goes to Cacilhas?"),
    (("tail", "uncounted"), 0, "answer 1 word"),
    (("summary", "long"), 0, "Ann takes the ferry"),
    (("stats", "--policy", "summarize-older:1000"), 0, "sessions\t4"),
    (("export",), 0, '"session":"long"'),
    (("doctor",), 1, "problem\tindex gone_at_1h\tmissing"),
]


@pytest.mark.parametrize(("arguments", "code", "text"), LOOKING, ids=lambda one: str(one)[:30])
async def test_a_look_at_an_older_version_says_what_is_missing_and_writes_nothing(
    older, run, arguments, code, text
):
    before = await older[ITEMS].find().to_list(None)
    looked = await run(*arguments)
    assert looked.code == code
    assert text in looked.out
    if code == 0:
        warning, *more = looked.err.splitlines()
        assert warning.startswith("mongo-sessions: warning: ")
        assert "gone_at_1h" in warning
        assert all("as of an older version" in line or "failed once" in line for line in more)
    assert await older[ITEMS].find().to_list(None) == before
    assert await older.list_collection_names() == [ITEMS]


async def test_an_older_version_is_brought_up_to_date(older, run, tmp_path):
    """Each command that changes something, one after the other."""
    before, after = tmp_path / "before.jsonl", tmp_path / "after.jsonl"
    refused = await run("recount")
    assert refused.code == 3
    assert " ensure-indexes`" in refused.err
    assert (await run("ensure-indexes")).code == 0
    assert (await run("doctor")).code == 0
    assert (await run("export", "-o", str(before))).code == 0
    assert (await run("import", str(before), "-c", "copy")).code == 0
    assert (await run("export", "-o", str(after), "-c", "copy")).code == 0
    assert after.read_bytes() == before.read_bytes()
    counted = json.loads((await run("recount", "--json")).out)
    assert counted["sessions"] == 4
    assert counted["items"] == 30 == len(DOCUMENTS)
    folded = await run("fold", "--policy", "summarize-older:1000", "--summarizer", HERE)
    assert (folded.code, folded.err) == (0, "")
    session = MongoSessionStore(older).session("plain")
    await session.add_items([{"role": "user", "content": "of today"}])
    await session.flush()
    assert [entry.item["content"] async for entry in session.entries(3)] == [
        "as JSON text",
        "of today",
    ]
    assert json.loads((await run("ls", "--json")).out.splitlines()[0])["session_id"] == "plain"
    assert (await run("rm", "plain", "long", "--yes")).code == 0
    assert len((await run("ls", "--by", "id")).out.splitlines()) == 3


async def test_what_a_newer_version_adds_is_ignored(filled, run):
    items = filled[ITEMS]
    await items.update_many({}, {"$set": {"of_a_newer_version": {"a": 1}}})
    cards = filled[f"{ITEMS}_cards"]
    await cards.update_many({}, {"$set": {"of_a_newer_version": {"a": 1}}})
    for arguments in (("ls",), ("show", "user-1:long"), ("stats",), ("export",), ("doctor",)):
        looked = await run(*arguments)
        assert (looked.code, looked.err) == (0, "")
    assert "newer" not in (await run("export")).out


async def test_a_summary_of_a_newer_version_is_told_in_one_line(filled, run):
    summarised = {"session_id": "user-1:long", "summary": {"$exists": True}}
    newest = await filled[ITEMS].find_one(summarised, sort=[("seq", -1)])
    form = {"of": "a newer version"}
    await filled[ITEMS].update_one({"_id": newest["_id"]}, {"$set": {"summary": form}})
    told = await run("summary", "user-1:long")
    assert told.code in (0, 1)
    assert len((told.out + told.err).splitlines()) == 1
    for command in ("show", "view", "why"):
        looked = await run(command, "user-1:long", "--policy", "summarize-older:1000")
        assert (looked.code, looked.err) == (0, "")


async def test_documents_of_another_form_are_refused_in_one_line(filled, run):
    """Should a newer version change the type of a field."""
    await filled[ITEMS].update_many({}, [{"$set": {"seq": {"$toString": "$seq"}}}])
    for arguments in (("ls",), ("show", "user-1:long"), ("export",), ("recount",)):
        refused = await run(*arguments)
        assert refused.code == 3
        assert refused.err.count("\n") == 1
        assert "documents that are not of mongo-sessions" in refused.err


async def test_an_export_of_a_newer_version_is_refused_in_one_line(filled, run, tmp_path):
    file = tmp_path / "newer.jsonl"
    file.write_text('{"format":"mongo-sessions","version":2}\n')
    refused = await run("import", str(file))
    assert refused.code == 2
    assert "import it with a newer one" in refused.err
    assert refused.err.count("\n") == 1
