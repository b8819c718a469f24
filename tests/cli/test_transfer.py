"""Out and in, by the command."""

from __future__ import annotations

import json

from mongo_sessions import MongoSessionStore


async def test_an_export_of_an_import_has_the_same_bytes(filled, run, tmp_path):
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    exported = await run("export", "-o", str(first))
    assert exported.code == 0
    assert "sessions are in" in exported.err
    lines = first.read_text("utf-8").splitlines()
    assert json.loads(lines[0]) == {"format": "mongo-sessions", "version": 1}
    other = ("--collection", "copy")
    imported = await run("import", str(first), "--json", *other)
    assert (imported.code, imported.err) == (0, "")
    assert json.loads(imported.out) == {"sessions": 3, "items": 28, "skipped": 0, "refused": 0}
    again = await run("import", str(first), *other)
    assert again.out == "3 sessions, 0 items stored, 28 were there already\n"
    await run("export", "-o", str(second), *other)
    assert second.read_bytes() == first.read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["first.jsonl", "second.jsonl"]


async def test_export_to_a_pipe(filled, run):
    exported = await run("export", "user-2:tools")
    lines = [json.loads(line) for line in exported.out.splitlines()]
    assert lines[1]["session"] == "user-2:tools"
    assert [line["seq"] for line in lines if "seq" in line] == [1, 2, 3, 4]


async def test_an_export_of_a_session_that_does_not_exist_is_an_error(filled, run, tmp_path):
    file = tmp_path / "export.jsonl"
    refused = await run("export", "user-2:tools", "user-2:tolls", "-o", str(file))
    assert refused.code == 1
    assert "there is no session 'user-2:tolls'" in refused.err
    assert list(tmp_path.iterdir()) == []


async def test_what_is_not_an_export_is_refused(database, run, tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("hello\n")
    await MongoSessionStore(database).ensure_indexes()
    refused = await run("import", str(file))
    assert refused.code == 2
    assert "line 1" in refused.err
    assert refused.err.count("\n") == 1
    missing = await run("import", str(tmp_path / "none"))
    assert missing.code == 2
    assert "No such file" in missing.err
