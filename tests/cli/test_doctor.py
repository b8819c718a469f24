"""`doctor` finds what is wrong, and says what to do."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest

from mongo_sessions import MongoSessionStore, SummarizeOlder
from mongo_sessions.cli.checkup import _versions
from mongo_sessions.cli.findings import PROBLEM
from mongo_sessions.log.reads import diagnosis
from tests.log.test_rights import guarded, owned, seen_by, uri_of
from tests.support.folding import let_claims_expire
from tests.support.scribes import BadScribe, turns

__all__ = ["guarded", "owned", "seen_by"]

ITEMS = "session_items"
CARDS = "session_items_cards"


@pytest.fixture
def driver() -> str:
    """Of the fixtures with rights; the command has a client of its own."""
    return "pymongo"


@pytest.fixture
def problems(run):
    async def problems(database: str = "", **options) -> dict[str, tuple[str, str]]:
        """What was found and what to do, by the name of the check."""
        named = ("--database", database) if database else ()
        examined = await run(*named, "doctor", "--json", **options)
        report = json.loads(examined.out)
        found = {
            one["check"]: (one["found"], one["advice"])
            for one in report["checks"]
            if one["status"] == "problem"
        }
        assert examined.code == (1 if found else 0)
        assert report["ok"] is not bool(found)
        return found

    return problems


async def test_nothing_is_wrong(filled, problems):
    assert await problems() == {}


async def test_a_missing_index(filled, problems):
    await filled[ITEMS].drop_index("session_seq")
    await filled[ITEMS].drop_index("session_summary")
    found = await problems()
    assert found.keys() == {"index session_seq", "index session_summary"}
    text, advice = found["index session_seq"]
    assert text == "missing: concurrent writes get lost"
    assert f"mongo-sessions -d {filled.name} ensure-indexes" in advice
    assert ".createIndex(" in advice


async def test_an_index_that_is_not_unique(filled, problems):
    await filled[ITEMS].drop_index("session_seq")
    await filled[ITEMS].create_index([("session_id", 1), ("seq", -1)], name="session_seq")
    text, advice = (await problems())["index session_seq"]
    assert text.startswith("not unique: ")
    assert 'dropIndex("session_seq")' in advice


async def test_a_hidden_index(filled, problems):
    await filled.command("collMod", ITEMS, index={"name": "session_seq", "hidden": True})
    text, advice = (await problems())["index session_seq"]
    assert text.startswith("hidden: ")
    assert advice


async def test_indexes_of_the_cards_that_are_missing_hidden_or_without_their_expiry(
    filled, problems, run
):
    await filled[CARDS].drop_index("active")
    await filled.command("collMod", CARDS, index={"name": "owner_active", "hidden": True})
    await filled[CARDS].drop_index("deleted_at_1h")
    await filled[CARDS].create_index("deleted_at", name="deleted_at_1h")
    found = await problems()
    assert {check: text.partition(":")[0] for check, (text, _) in found.items()} == {
        "index active": "missing",
        "index owner_active": "hidden",
        "index deleted_at_1h": "without its expiry",
    }
    assert " ensure-indexes`" in found["index active"][1]
    assert "collMod" in found["index deleted_at_1h"][1]
    assert CARDS in found["index active"][1]


async def test_a_collection_without_cards_is_of_an_older_version(filled, problems, run):
    await filled[CARDS].drop()
    assert await problems() == {}
    assert "note\tcard indexes\tthere are no cards: " in (await run("doctor")).out


async def test_a_foreign_collection(database, problems):
    await database[ITEMS].insert_one({"name": "Ann", "basket": []})
    text, advice = (await problems())["collection"]
    assert "documents that are not of mongo-sessions" in text
    assert "--collection" in advice


async def test_a_clock_five_minutes_off(filled, problems, monkeypatch):
    class Late(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) - timedelta(minutes=5)

    monkeypatch.setattr(diagnosis, "datetime", Late)
    text, advice = (await problems())["clock"]
    assert text.startswith(("this machine is 300.", "this machine is 299."))
    assert "behind" in text
    assert "NTP" in advice


async def test_a_summary_that_fails_again_and_again(database, problems):
    policy = SummarizeOlder(BadScribe("raises"), max_tokens=1_000, background=False)
    session = MongoSessionStore(database, policy=policy).session("a")
    await session.add_items(turns(1, 30))
    for _ in range(3):
        assert "summaries" not in await problems()
        await session.get_items()
        await let_claims_expire(database)
    text, advice = (await problems())["summaries"]
    assert text.startswith("the summary of session a has failed 3 times: ")
    assert "question" not in text
    assert "fold --prefix a" in advice


async def test_an_interrupted_clear(filled, problems):
    cleared = {"session_id": "user-3:gone", "barrier": {"$exists": True}}
    await filled[ITEMS].update_one(cleared, {"$unset": {"gone_at": ""}})
    assert await problems() == {}  # it may still run
    [barrier] = await filled[ITEMS].find(cleared).to_list(None)
    old = type(barrier["_id"]).from_datetime(datetime.now(timezone.utc) - timedelta(hours=1))
    await filled[ITEMS].update_one(cleared, {"$set": {"barrier": old}})
    text, advice = (await problems())["leftovers"]
    assert "user-3:gone" in text
    assert advice


async def test_retry_writes_that_are_off(filled, problems, replica_set):
    text, advice = (await problems(uri=f"{replica_set}&retryWrites=false&w=1"))["settings"]
    assert "retryWrites=false" in text
    assert advice


async def test_a_standalone_server_is_noted(database, run, standalone):
    examined = await run("doctor", "--json", uri=standalone)
    checks = {one["check"]: one for one in json.loads(examined.out)["checks"]}
    assert checks["deployment"]["status"] == "note"
    assert checks["deployment"]["found"].startswith("a standalone server: no transactions")
    assert "replica set" in checks["deployment"]["advice"]


def test_an_old_server_is_a_problem():
    finding = _versions("4.2.24", (4, 2))
    assert finding.status == PROBLEM
    assert finding.advice == "upgrade the server: 4.4 is the oldest possible"


async def test_a_wrong_password(filled, problems, guarded):
    found = await problems(uri=uri_of("owner", guarded, "hunter2"))
    assert found.keys() == {"connection"}
    text, advice = found["connection"]
    assert text == "Authentication failed"
    assert "password" in advice
    assert "hunter2" not in text + advice


async def test_a_missing_right(database, problems, guarded, owned):
    await MongoSessionStore(owned).ensure_indexes()
    await MongoSessionStore(owned).session("a").add_items(turns(1, 1))
    name, database_name = owned.name, database.name
    assert name != database_name
    found = await problems(uri=uri_of("reader", guarded))
    text, advice = found["rights"]
    assert text.endswith(": insert, update, remove")
    assert "readWrite" in advice


async def test_missing_rights_in_the_cards(problems, guarded, owned, run):
    await MongoSessionStore(owned).ensure_indexes()
    whose = uri_of("without_cards", guarded)
    found = await problems(uri=whose, database=owned.name)
    text, advice = found["card rights"]
    assert f"{owned.name}.{CARDS}: find, insert, update, remove" in text
    assert "readWrite" in advice
    examined = await run("--database", owned.name, "doctor", uri=whose)
    assert "not checked\tcard indexes\tthe user of the URI may not list" in examined.out


@pytest.mark.parametrize(("user", "status"), [("writer", "note"), ("readwriter", "ok")])
async def test_without_the_right_to_change_streams_a_watch_polls(guarded, owned, run, user, status):
    await MongoSessionStore(owned).ensure_indexes()
    examined = await run("--database", owned.name, "doctor", "--json", uri=uri_of(user, guarded))
    checks = {one["check"]: one for one in json.loads(examined.out)["checks"]}
    assert checks["watch"]["status"] == status
    assert ("changeStream" in checks["watch"]["found"]) == (status == "note")
    assert bool(checks["watch"]["advice"]) == (status == "note")
    assert examined.code == 0


async def test_a_name_with_control_characters_controls_no_terminal(database, run):
    name = "session\x1b[31m_items"
    await database[name].insert_one({"name": "Ann"})
    examined = await run("doctor", "--collection", name, terminal=True)
    assert "session\\x1b[31m_items" in examined.out.replace("\n", "").replace(" ", "")


async def test_no_server(database, run):
    examined = await run("doctor", "--timeout", "0.5", uri="mongodb://ann:hunter2@127.0.0.1:1/")
    assert examined.code == 1
    assert "problem\tconnection\tno MongoDB server was reached" in examined.out
    assert "hunter2" not in examined.out + examined.err
