"""The commands that look: in a pipe, in a terminal, as JSON."""

from __future__ import annotations

import json

import pytest

from mongo_sessions import MongoSessionStore
from tests.support.scribes import turns

LOOKING = [
    ("ls",),
    ("show", "user-1:long", "--policy", "token-limit:1000"),
    ("show", "user-2:tools", "--full"),
    ("view", "user-1:long", "--policy", "summarize-older:1000"),
    ("why", "user-1:long", "--policy", "summarize-older:1000"),
    ("find", "user-2:tools", "order", "late"),
    ("tail", "user-2:tools", "-n", "2"),
    ("summary", "user-1:long"),
    ("stats", "--policy", "summarize-older:1000"),
    ("doctor",),
    ("export",),
]


@pytest.mark.parametrize("command", LOOKING, ids=lambda command: command[0])
async def test_a_command_prints_text_in_a_pipe_colour_in_a_terminal_and_json(filled, run, command):
    piped = await run(*command)
    assert (piped.code, piped.err) == (0, "")
    assert "\x1b" not in piped.out
    drawn = await run(*command, terminal=True)
    assert (drawn.code, drawn.err) == (0, "")
    assert "\x1b[" in drawn.out or command == ("export",)  # which is JSON anywhere
    assert "\x1b[31mlate" not in drawn.out  # what a tool has written does not colour it
    as_json = await run(*command, "--json")
    records = [json.loads(line) for line in as_json.out.splitlines()]
    assert records
    assert all(isinstance(record, dict) for record in records)


async def oplog(database) -> list:
    """What was written to this database since the server started."""
    query = {"ns": {"$regex": f"^{database.name}\\."}}
    return await database.client.local["oplog.rs"].find(query).to_list(None)


async def test_commands_that_look_write_nothing(filled, run):
    before = await oplog(filled)
    assert before
    for command in LOOKING:
        await run(*command)
    assert await oplog(filled) == before


async def test_a_look_does_not_complete_an_interrupted_clear(filled, run):
    items = filled["session_items"]
    await items.update_many({"session_id": "user-3:gone", "barrier": {"$exists": True}},
                            {"$unset": {"gone_at": ""}})  # fmt: skip
    before = await oplog(filled)
    listed = await run("ls")
    assert "user-3:gone\t\t\t0\t0\t\n" in listed.out  # it has a card
    assert (await run("ls", "--by", "id")).out.count("user-3") == 0
    assert (await run("show", "user-3:gone")).code == 1
    assert await oplog(filled) == before


async def test_a_missing_index_does_not_prevent_a_look(filled, run):
    await filled["session_items"].drop_index("session_seq")
    listed = await run("ls", "--json")
    assert listed.code == 0
    assert len(listed.out.splitlines()) == 3
    assert "warning" in listed.err
    assert "has no index session_seq" in listed.err


async def test_ls_by_activity_tells_owners_and_titles(database, run):
    store = MongoSessionStore(database)
    for number in range(5):
        session = store.session(f"s{number}", owner=f"u{number % 2}")
        await session.add_items(turns(1, 1))
        await session.update_card(title=f"Title {number}")
        await session.flush()
    first = await run("ls", "--limit", "3")
    rows = [line.split("\t") for line in first.out.splitlines()]
    assert rows[0] == ["session", "owner", "title", "items", "tokens", "newest item (UTC)"]
    assert rows[1][:4] == ["s4", "u0", "Title 4", "2"]
    assert [row[0] for row in rows[1:]] == ["s4", "s3", "s2"]
    after = first.err.rpartition("--after ")[2].strip()
    rest = await run("ls", "--after", after, "--limit", "3", "--json")
    assert [json.loads(line)["session_id"] for line in rest.out.splitlines()] == ["s1", "s0"]
    assert rest.err == ""
    owned = await run("ls", "--owner", "u1", "--json")
    assert [json.loads(line)["session_id"] for line in owned.out.splitlines()] == ["s3", "s1"]


async def test_ls_by_id_continues_behind_a_session(database, run):
    store = MongoSessionStore(database)
    for number in range(5):
        await store.session(f"s{number}").add_items(turns(1, 1))
    first = await run("ls", "--prefix", "s", "--limit", "3")
    assert [line.split("\t")[0] for line in first.out.splitlines()[1:]] == ["s0", "s1", "s2"]
    assert "--after s2" in first.err
    rest = await run("ls", "--by", "id", "--after", "s2", "--limit", "3", "--json")
    assert [json.loads(line)["session_id"] for line in rest.out.splitlines()] == ["s3", "s4"]


async def test_ls_lists_what_a_version_without_cards_wrote(filled, run):
    await filled.drop_collection("session_items_cards")
    listed = await run("ls", "--json")
    found = [json.loads(line)["session_id"] for line in listed.out.splitlines()]
    assert found == ["user-1:long", "user-2:tools"]
    assert "no session has a card" in listed.err


@pytest.mark.parametrize(
    "options", [("--owner", "u", "--prefix", "a"), ("--by", "activity", "--prefix", "a")]
)
async def test_options_that_exclude_each_other_are_wrong_usage(database, run, options):
    assert (await run("ls", *options)).code == 2


async def test_show_marks_the_summary_and_the_view(filled, run):
    shown = await run("show", "user-1:long", "--policy", "token-limit:1000", "--last", "0")
    marks = [line for line in shown.out.splitlines() if line.startswith("────")]
    assert marks[0].startswith("──── items 1 to 12 are summarised in ")
    assert any("the view of token-limit:1000 begins here: the budget is full" in m for m in marks)
    assert marks[-1] == "──── the summary ends here, on item 18 ────"
    lines = shown.out.splitlines()
    end = lines.index(marks[-1])
    assert lines[end + 1].split()[0] == "19"


async def test_show_begins_with_the_marks_that_lie_above(filled, run):
    shown = await run("show", "user-1:long", "--policy", "token-limit:1000", "--last", "14")
    lines = shown.out.splitlines()
    assert lines[0].startswith("… items before 11")
    assert lines[1].startswith("──── items 1 to 12 are summarised")
    assert lines[2].startswith("──── the view of token-limit:1000 begins above, at item 9")


async def test_show_says_that_view_and_summary_lie_below(filled, run):
    options = ("--policy", "token-limit:1000", "--from", "2", "--last", "5")
    lines = (await run("show", "user-1:long", *options)).out.splitlines()
    assert lines[0].startswith("… items before 2")
    assert lines[1].startswith("──── items 1 to 12 are summarised")
    assert lines[-3].startswith("──── the view of token-limit:1000 begins below, at item 9")
    assert lines[-2] == "──── the summary ends below, on item 18 ────"
    assert lines[-1] == "… items after 6: --from 7"
    rest = (await run("show", "user-1:long", "--from", "20", "--last", "5")).out
    assert "items after" not in rest


@pytest.mark.parametrize("command", ["ls", "stats", "export"])
async def test_a_collection_that_does_not_exist_is_told(filled, run, command):
    looked = await run(command, "--collection", "sesion_items")
    assert "sesion_items: is it the right --database, --collection?" in looked.err


async def test_a_policy_with_a_typing_error_is_told_with_the_names(filled, run):
    wrong = await run("view", "user-1:long", "--policy", "token-limt:1000")
    assert wrong.code == 2
    assert "token-limit:TOKENS" in wrong.err
    assert "'token-limt'" in wrong.err
    assert wrong.err.count("\n") == 1


async def test_show_tells_as_json_what_is_summarised_and_shown(filled, run):
    shown = await run("show", "user-1:long", "--policy", "last-turns:1", "--last", "0", "--json")
    records = [json.loads(line) for line in shown.out.splitlines()]
    assert [r["seq"] for r in records] == list(range(1, 25))
    assert [r["seq"] for r in records if r["is_summarised"]] == list(range(1, 19))
    assert [r["seq"] for r in records if r["is_shown"]] == [23, 24]


async def test_tool_calls_are_folded_and_full_shows_all(filled, run):
    folded = await run("show", "user-2:tools")
    assert 'look_up({"order": "A-1017"})' in folded.out
    assert "… (640 characters)" in folded.out
    full = await run("show", "user-2:tools", "--full")
    assert full.out.count("late") == 40


async def test_a_view_is_what_get_items_returns(filled, run):
    viewed = await run("view", "user-1:long", "--policy", "summarize-older:1000", "--json")
    record = json.loads(viewed.out)
    assert record["items"][0]["shown"] == "summary"
    assert [item["seq"] for item in record["items"]] == [None, *range(19, 25)]
    assert record["summary_on"] == 18
    assert record["tokens"] == sum(item["tokens"] for item in record["items"])


async def test_why_of_an_item_that_no_model_wrote_is_no(filled, run):
    told = await run("why", "user-1:long", "1")
    assert told.code == 1
    assert told.out == ""
    assert told.err.endswith("is a user message: no model wrote it\n")


async def test_a_summary_of_another_version_is_told(filled, run):
    query = {"session_id": "user-1:long", "summary": {"$exists": True}}
    await filled["session_items"].update_many(query, {"$set": {"summary": {"chapters": []}}})
    told = await run("summary", "user-1:long")
    assert told.code == 1
    assert "has a summary that this version does not know" in told.err


async def test_stats_count_everything(filled, run):
    counted = json.loads((await run("stats", "--json")).out)
    assert (counted["sessions"], counted["items"]) == (2, 28)
    assert counted["tokens"] == sum(one["tokens"] for one in counted["largest"])
    assert [one["session_id"] for one in counted["largest"]] == ["user-1:long", "user-2:tools"]
    assert all(one["bytes"] > 1_000 for one in counted["largest"])
    assert counted["oldest_at"] < counted["newest_at"]


async def test_stats_tell_the_summaries_that_are_due(database, run):
    await MongoSessionStore(database).session("a").add_items(turns(1, 30))
    due = json.loads((await run("stats", "--policy", "summarize-older:1000", "--json")).out)
    assert due["summaries_due"] == 1
    assert json.loads((await run("stats", "--json")).out)["summaries_due"] == 0


async def test_an_empty_database_is_told(database, run):
    listed = await run("ls")
    assert (listed.code, listed.out) == (0, "")
    assert f"no sessions in {database.name}.session_items" in listed.err
    counted = json.loads((await run("stats", "--json")).out)
    assert (counted["sessions"], counted["bytes"], counted["oldest_at"]) == (0, 0, None)
    assert (await run("doctor")).code == 1  # the indexes are missing
