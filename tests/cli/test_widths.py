"""Narrow and wide terminals, long ids, wide characters, text that would control a terminal."""

from __future__ import annotations

import re

import pytest
from rich.cells import cell_len

from mongo_sessions import MongoSessionStore

LONG = "tenant-4711:user-8f14e45f-ceea-467f-a9b8-1d2c3b4a5d6e:conversation-0001"
WIDE = "日本語のセッション-東京都千代田区丸の内一丁目"
ODD = "a\x1b[31mred\nnew"
TITLES = {LONG: "A title that is far too long for a narrow terminal", WIDE: "北極のオーロラ" * 5}
TITLES[ODD] = "\x1b]0;evil\x07 with\ncontrols \u202e"


@pytest.fixture
async def odd(database):
    store = MongoSessionStore(database)
    for session_id, title in TITLES.items():
        session = store.session(session_id, owner="ann@a-very-long-company-name.example.org")
        text = "日本語の質問です。" * 20 + "word " * 40
        await session.add_items([{"role": "user", "content": text}])
        await session.flush()
        await session.update_card(title=title)
    return database


def plain(out: str) -> list[str]:
    """The lines without colours."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", out).splitlines()
    assert not any("\x1b" in line or "\x07" in line or "\u202e" in line for line in lines)
    return lines


@pytest.mark.parametrize("width", [60, 80, 120])
async def test_no_line_is_wider_than_the_terminal(odd, run, monkeypatch, width):
    for arguments in (("ls",), ("show", WIDE), ("view", WIDE), ("why", WIDE), ("stats",)):
        monkeypatch.setenv("COLUMNS", str(width))
        shown = await run(*arguments, terminal=True)
        assert shown.code == 0
        assert max(map(cell_len, plain(shown.out))) <= width


async def test_a_list_cuts_titles_and_no_ids(odd, run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = plain((await run("ls", terminal=True)).out)
    ids = "".join(line.split("  ")[0] for line in lines[1:])
    assert all(one in ids for one in (LONG, WIDE))
    assert r"a\x1b[31mred new" in ids
    assert sum("…" in line for line in lines) == 3
    monkeypatch.setenv("COLUMNS", "250")
    whole = "\n".join(plain((await run("ls", terminal=True)).out))
    assert "…" not in whole
    assert all(title in whole for session_id, title in TITLES.items() if session_id != ODD)


async def test_text_is_indented_below_its_head(odd, run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    for command in ("show", "view"):
        head, *text = plain((await run(command, WIDE, terminal=True)).out)
        assert head.startswith("     1  ")
        body = [line for line in text if "word" in line or "日本" in line]
        assert len(body) > 5
        assert all(line.startswith(" " * 8) for line in body)


async def test_a_title_cannot_fake_a_row(odd, run):
    assert len((await run("ls")).out.splitlines()) == 1 + len(TITLES)
