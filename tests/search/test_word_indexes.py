"""``search=TextIndex()`` and ``search=AtlasSearch(index=…)``: the same result, from an index."""

from __future__ import annotations

import pytest
from pymongo import AsyncMongoClient

from mongo_sessions import AtlasSearch, IndexesMissing, MongoSessionStore, TextIndex
from tests.search.test_search import FILLER, answer, call, output, seqs, user


async def test_a_text_index_finds_the_same_groups(any_database):
    store = MongoSessionStore(any_database, search=TextIndex())
    session = store.session("mine")
    await store.session("yours").add_items([user("the zebra")])
    await session.add_items([*FILLER, user("My order?"), answer("It is A-4711."), *FILLER])
    await session.add_items([call("1", '{"animal": "zebra"}'), output("1", "done"), *FILLER])
    await session.add_items([user("call find_order_id: it costs €750")])
    assert await seqs(session, "4711", limit=1) == [[25, 26]]
    assert await seqs(session, "zebra", limit=1) == [[51, 52]]
    for query in ("find_order_id", "€750", "find_order_id again"):
        assert await seqs(session, query, limit=1) == [[77]]
    for query in ('"zebra" -animal', "-zebra animal", "$search", "", "the of"):
        found = await session.search(query)
        assert found.is_complete
        assert all("the zebra" not in str(e.item) for hit in found.hits for e in hit.entries)
    assert (await session.search("-zebra")).hits, "a minus sign excludes nothing"


async def test_the_index_serves_the_search(database, sent):
    store = MongoSessionStore(database, search=TextIndex())
    await store.session("mine").add_items([*FILLER, user("the zebra")])
    sent.clear()
    await store.session("mine").search("zebra")
    [command] = [e.command for e in sent.started_events if e.command_name == "aggregate"]
    first = command["pipeline"][0]["$match"]
    assert first["session_id"] == "mine"
    assert first["$text"] == {"$search": "zebra"}
    plan = await database.command(
        "explain", {"find": "session_items", "filter": first}, verbosity="executionStats"
    )
    assert plan["executionStats"]["totalDocsExamined"] <= 2


async def test_the_index_is_created_once_and_its_absence_has_a_remedy(database):
    store = MongoSessionStore(database, search=TextIndex(), create_indexes=False)
    with pytest.raises(IndexesMissing, match="has no index session_text") as raised:
        await store.session("a").add_items(FILLER)
    assert '"item.content": "text"' in str(raised.value)
    assert '"language_override": "text_language"' in str(raised.value)
    for _ in range(2):
        await MongoSessionStore(database, search=TextIndex()).session("a").add_items(FILLER)
    indexes = await database["session_items"].index_information()
    assert len(indexes) == 5
    assert indexes["session_text"]["key"][0] == ("session_id", 1)


async def test_another_text_index_is_named(database):
    items = database["session_items"]
    await items.create_index([("item.content", "text")], name="theirs")
    with pytest.raises(IndexesMissing, match="has no index session_text") as raised:
        await MongoSessionStore(database, search=TextIndex()).session("a").add_items(FILLER)
    assert 'dropIndex("theirs")' in str(raised.value)


async def test_an_item_with_a_language_is_stored_and_found(database):
    """A text index would take the field for the language of the words."""
    session = MongoSessionStore(database, search=TextIndex()).session("a")
    part = {"type": "input_text", "text": "zebra", "language": "klingon"}
    item = {"role": "user", "content": [part], "language": 7}
    await session.add_items([item])
    assert (await session.search("zebra")).hits[0].entries[0].item == item


async def test_the_stage_for_atlas_is_the_documented_one_and_holds_the_session(database, sent):
    store = MongoSessionStore(database, search=AtlasSearch(index="sessions"))
    session = store.session("mine")
    await session.add_items(FILLER)
    sent.clear()
    with pytest.raises(Exception, match="search"):  # this server has none
        await session.search('the "zebra" -4711')
    [command] = [e.command for e in sent.started_events if e.command_name == "aggregate"]
    search, match, limit, *_ = command["pipeline"]
    assert search["$search"]["index"] == "sessions"
    compound = search["$search"]["compound"]
    assert compound["filter"] == [{"equals": {"path": "session_id", "value": "mine"}}]
    [must] = compound["must"]
    assert must["text"]["query"] == ["zebra", "4711"]
    assert "item.content" in must["text"]["path"]
    assert match["$match"]["session_id"] == "mine"
    assert limit == {"$limit": 1_000}
    assert command["readConcern"] == {"level": "local"}


@pytest.mark.parametrize("index", ["", None, 3])
def test_an_index_without_a_name_is_refused(index):
    with pytest.raises(ValueError, match="index must be the name of an index"):
        AtlasSearch(index=index)


def test_what_is_no_index_is_refused():
    database = AsyncMongoClient(connect=False)["test"]
    with pytest.raises(TypeError, match="search must be TextIndex, AtlasSearch or None, got True"):
        MongoSessionStore(database, search=True)
    with pytest.raises(ValueError, match="language must be a language of MongoDB, got ''"):
        TextIndex(language="")
