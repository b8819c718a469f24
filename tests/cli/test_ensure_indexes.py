"""``ensure-indexes`` creates what is missing, and says what."""

from __future__ import annotations

import json

import pytest

from tests.log.test_rights import guarded, owned, uri_of

__all__ = ["guarded", "owned"]

ITEMS, CARDS = "session_items", "session_items_cards"
ALL = {"session_seq", "gone_at_1h", "session_summary", "owner_active", "active", "deleted_at_1h"}


@pytest.fixture
def driver() -> str:
    """Of the fixtures with rights; the command has a client of its own."""
    return "pymongo"


async def names(database) -> set[str]:
    found = set()
    for collection in (ITEMS, CARDS):
        found |= set(await database[collection].index_information())
    return found - {"_id_"}


async def test_all_are_created_once(database, run):
    created = await run("ensure-indexes")
    assert (created.code, created.err) == (0, "")
    assert f"created: session_seq on {database.name}.{ITEMS}\n" in created.out
    assert f"created: active on {database.name}.{CARDS}\n" in created.out
    assert await names(database) == ALL
    assert (await run("ensure-indexes")).out == "nothing to do: all indexes are there\n"
    assert json.loads((await run("ensure-indexes", "--json")).out) == {
        "created": [],
        "remaining": [],
    }


async def test_what_is_missing_is_created_and_an_expiry_is_set(filled, run):
    await filled[ITEMS].drop_index("session_summary")
    await filled[CARDS].drop_index("deleted_at_1h")
    await filled[CARDS].create_index("deleted_at", name="deleted_at_1h")
    created = json.loads((await run("ensure-indexes", "--json")).out)["created"]
    assert created == [
        f"deleted_at_1h on {filled.name}.{CARDS}",
        f"session_summary on {filled.name}.{ITEMS}",
    ]
    assert (await run("doctor")).code == 0


async def test_a_command_that_misses_an_index_says_which_command_creates_it(database, run):
    missing = await run("recount")
    assert missing.code == 3
    assert f"run `mongo-sessions -d {database.name} ensure-indexes`, or in mongosh: " in missing.err
    assert missing.err.count("\n") == 1


async def test_an_index_in_the_way_is_told(filled, run):
    await filled[ITEMS].drop_index("session_seq")
    await filled[ITEMS].create_index([("session_id", 1), ("seq", -1)], name="session_seq")
    refused = await run("ensure-indexes")
    assert refused.code == 3
    assert 'dropIndex("session_seq")' in refused.err
    assert refused.err.count("\n") == 1


async def test_a_hidden_index_is_not_said_to_be_there(filled, run):
    await filled.command("collMod", ITEMS, index={"name": "session_seq", "hidden": True})
    refused = await run("ensure-indexes")
    assert refused.code != 0
    assert "session_seq" in refused.err
    assert "nothing to do" not in refused.out


async def test_a_foreign_collection_gets_no_index(database, run):
    await database[ITEMS].insert_one({"name": "Ann"})
    refused = await run("ensure-indexes")
    assert refused.code == 3
    assert "documents that are not of mongo-sessions" in refused.err
    assert await names(database) == set()


@pytest.mark.parametrize(("user", "code"), [("writer", 3), ("blind", 3), ("readwriter", 0)])
async def test_rights(guarded, owned, run, user, code):
    ensured = await run("--database", owned.name, "ensure-indexes", uri=uri_of(user, guarded))
    assert ensured.code == code
    assert ("may not create it" in ensured.err) == (code == 3)
    assert await names(owned) == (ALL if code == 0 else set())


async def test_a_user_who_may_not_list_them(guarded, owned, run):
    whose = uri_of("blind_creator", guarded)
    ensured = await run("--database", owned.name, "ensure-indexes", uri=whose)
    assert ensured.code == 0
    assert "may not list the indexes" in ensured.err
    assert await names(owned) == ALL
