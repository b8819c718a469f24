"""The page about the stored documents says what is stored, and keeps what it has promised."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bson
from agents import Agent, Runner
from agents.testing import assistant_message
from bson import ObjectId

from mongo_sessions import MongoSessionStore, SummarizeOlder
from mongo_sessions.counting.counting import Counting
from mongo_sessions.counting.new_items import to_new_items
from mongo_sessions.log.cards.card_copies import CARD_FIELDS
from mongo_sessions.transfer.entry_lines import ENTRY_FIELDS
from mongo_sessions.transfer.lines import HEADER, VERSION
from tests.support.reporting import ReportingModel
from tests.support.scribes import BadScribe, Scribe, tokens, turns

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[2] / "docs" / "format.md").read_text("utf-8")

TYPES = {
    bool: "bool",
    int: "int",
    bson.Int64: "int",
    float: "double",
    str: "string",
    datetime: "date",
    ObjectId: "ObjectId",
    dict: "object",
    list: "array",
    type(None): "null",
}

# The contents of these belong to the application, or to the SDK.
OPAQUE = ("item", "pins[].item", "popped.item")


def fields(document: dict, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each field and its type; the fields of the objects in an array are ``name[].field``."""
    for name, value in document.items():
        path = prefix + name
        yield path, TYPES[type(value)]
        if path in OPAQUE:
            continue
        for inner in value if isinstance(value, list) else []:
            if isinstance(inner, dict):
                yield from fields(inner, f"{path}[].")
        if isinstance(value, dict):
            yield from fields(value, f"{path}.")


def documented(page: str) -> dict[str, set[str]]:
    """The types of each field in the table."""
    rows = re.findall(r"^\| `([\w.\[\]]+)` \| ([\w, ]+) \|", page, re.MULTILINE)
    return {field: set(types.split(", ")) for field, types in rows}


async def fields_of_all_operations(database: Any) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}

    async def look() -> None:
        async for document in database["session_items"].find({}):
            for field, kind in fields(document):
                found.setdefault(field, set()).add(kind)

    store = MongoSessionStore(database, token_counter=tokens)
    log = await store._connections.current().log()
    policy = SummarizeOlder(Scribe(), max_tokens=3_000, fold_tokens=700, user_tokens=100)
    session = store.session("summaries", policy=policy)
    text = "Always pay invoice 2026-114 to account DE02 1203 0000 0000 2020 51. " + "word " * 40
    await session.add_items([{"n": 2**64}])
    standing = "word " * 200 + "\nAlways answer in French, never in German."
    await session.add_items([{"role": "user", "content": standing}])
    for turn in range(10):
        await session.add_items([{"role": "user", "content": text}, *turns(turn, turn)])
    await session.pin(1)
    await session.pin(4)
    await store.fold_pending(policy)

    failing = SummarizeOlder(BadScribe("raises"), max_tokens=3_000, fold_tokens=700)
    other = store.session("failures", policy=failing)
    await other.add_items(turns(1, 40))
    await other.flush()
    anchor = await database["session_items"].find_one({"claim": {"$exists": True}})
    await look()
    await database["session_items"].update_one({"_id": anchor["_id"]}, {"$unset": {"claim": 1}})
    assert await log.claims.claim("failures", anchor["_id"], ObjectId(), 30)

    model = ReportingModel([[assistant_message("Yes.")]])
    agent = Agent("assistant", model=model)
    await Runner.run(agent, "Hello", session=session)
    await session.flush()

    large = store.session("large")
    await large.add_items([{"x": "y" * 15_800_000}])
    for item in ({"n": 1}, {"n": 2**64}):
        await large.add_items([item])
        await large.pop_item()
    cleared = store.session("cleared")
    await cleared.add_items(turns(1, 1))
    newest = await database["session_items"].find_one({"session_id": "cleared"}, sort=[("seq", -1)])
    assert await log.replace_end("cleared", [newest["_id"]], await new([{"n": 1}]))
    await look()
    await cleared.clear_session()
    await cleared.add_items([{"n": 1}] * 3)
    await cleared.rewind((await newest_seq(cleared)) - 1)
    await cleared.fork("forked")
    await cleared.redact(await newest_seq(cleared))
    await look()
    await store.delete_session("cleared")
    await look()
    return found


async def newest_seq(session: Any) -> int:
    return [entry.seq async for entry in session.entries()][-1]


async def new(items: list) -> list:
    return await to_new_items(items, Counting(tokens))


async def test_the_page_names_every_field_that_is_stored_and_its_type(database):
    stored = await fields_of_all_operations(database)
    # For the short time of a fork.
    stored |= {"copying": {"object"}, "copying.until": {"date"}}
    assert stored == documented(PAGE)


def test_a_field_that_the_page_does_not_name_is_noticed():
    row = "| `tokens` | int | of the item, by the store's counter; absent without a counter |\n"
    assert row in PAGE
    assert "tokens" not in documented(PAGE.replace(row, ""))


# The fields of each version, and the types that readers of it rely on. Fields may be added to the
# page; one that changes or goes needs a new version of the documents, and an entry here.
DOCUMENTS = {
    1: {
        "session_id": "string",
        "seq": "int",
        "item": "object, string",
        "tokens": "int",
        "total_tokens": "int",
        "turn": "int",
        "created_at": "date",
        "gaps": "int",
        "summary": "object, null",
        "summary.segments": "array",
        "summary.segments[].first_seq": "int",
        "summary.segments[].last_seq": "int",
        "summary.segments[].text": "string",
        "pinned": "bool",
        "gone_at": "date",
        "barrier": "ObjectId",
    }
}


def test_the_page_keeps_what_its_version_has_promised():
    version = re.search(r"^\*\*Version (\d+)\.\*\*", PAGE, re.MULTILINE)
    assert version is not None
    promised = {
        field: set(types.split(", ")) for field, types in DOCUMENTS[int(version[1])].items()
    }
    page = documented(PAGE)
    assert {field: page.get(field) for field in promised} == promised


# The lines of each version. A change of the right sides needs a new version of the format.
LINES = {
    1: [
        "format version",
        "session card",
        "owner title metadata created_at active_at",
        "seq item created_at tokens total_tokens turn summary pins pinned receipt gaps",
        "end entries",
    ]
}


def test_the_lines_keep_what_their_version_has_promised():
    written = [*HEADER], ["session", "card"], CARD_FIELDS, ENTRY_FIELDS, ["end", "entries"]
    assert [" ".join(names) for names in written] == LINES[VERSION]
    table = PAGE.partition("| Line | Fields |")[2]
    assert set(" ".join(LINES[VERSION]).split()) <= set(re.findall(r"`(\w+)`", table))


async def test_the_queries_of_the_page_use_the_index(store, database):
    await store.session("user-7").add_items([{"n": n} for n in range(50)])
    await store.session("user-8").add_items([{"n": n} for n in range(50)])
    query = {"session_id": "user-7", "item": {"$exists": True}}
    totals = {"_id": 1, "n": {"$sum": 1}}
    newest = {"find": "session_items", "filter": query, "sort": {"seq": -1}, "limit": 2}
    pipeline = [{"$match": query}, {"$group": totals}]
    count = {"aggregate": "session_items", "pipeline": pipeline, "cursor": {}}
    for command, examined in ((newest, 2), (count, 50)):
        explained = await database.command({"explain": command, "verbosity": "executionStats"})
        text = json.dumps(explained, default=str)
        assert '"indexName": "session_seq"' in text
        assert '"COLLSCAN"' not in text
        assert max(map(int, re.findall(r'"totalDocsExamined": (\d+)', text))) == examined


async def test_indexes_of_an_application_do_not_disturb(database):
    await database["session_items"].create_index("item.name")
    await database["session_items"].create_index("created_at")
    await MongoSessionStore(database).session("a").add_items([{"name": "weather"}])
    assert await MongoSessionStore(database).check()
