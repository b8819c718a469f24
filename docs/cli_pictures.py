"""Draws the pictures of docs/command-line.md: what the command prints in a terminal.

``python docs/cli_pictures.py``: it starts a server, fills it, runs the command, and writes
``docs/images/cli-*.svg``.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymongo import AsyncMongoClient
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from mongo_sessions import MongoSessionStore, SummarizeOlder
from mongo_sessions.testing import EmbeddedMongo

if TYPE_CHECKING:
    from mongo_sessions import SummaryRequest

IMAGES = Path(__file__).parent / "images"
COLUMNS = 100
BEGAN = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)

# The fonts of the reader: the pictures send no requests to another server.
FORMAT = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)

PICTURES = {
    "help": ["--help"],
    "ls": ["ls", "--limit", "6"],
    "show": ["show", "ann:trip", "--last", "11", "--policy", "summarize-older:1000"],
    "why": ["why", "ann:trip", "--policy", "summarize-older:1000"],
    "find": ["find", "ann:trip", "booking", "reference", "--limit", "1"],
    "stats": ["stats", "--largest", "3"],
    "doctor": ["doctor"],
}

TURNS = [
    ("I want to see the Northern Lights in February.", "Tromsø is a good base for that."),
    ("I'm vegetarian, please remember.", "Noted: vegetarian meals only."),
    ("Two people, at most 2,400 euros.", "Two people, 2,400 euros in all."),
    ("Which airline?", "There is a direct flight on Saturdays, for 310 euros each."),
    ("Book it for the 14th.", "Booked. Your reference is QX7-4419."),
    ("And a hotel near the harbour?", "The Harbour House has rooms for 140 euros a night."),
    ("Can we hire a car?", "Yes: 65 euros a day with winter tyres."),
    ("What should we pack?", "Wool, windproof layers, boots and a head torch."),
]


async def summarise(request: SummaryRequest) -> str:
    """In the place of a model."""
    words = "Ann plans a trip to Tromsø in February for two, at most 2,400 euros; vegetarian."
    return words if request.wanted_tokens > len(words) // 4 else words[: request.wanted_tokens]


def call(number: int) -> list[dict[str, Any]]:
    """A tool call with its output."""
    call_id = f"call_{number}"
    flights = '[{"from": "BER", "to": "TOS", "price": 310, "seats": 9}, ' * 20
    arguments = '{"city": "Tromsø", "month": "2026-02"}'
    return [
        {"type": "function_call", "call_id": call_id, "name": "flights", "arguments": arguments},
        {"type": "function_call_output", "call_id": call_id, "output": flights},
    ]


async def fill(uri: str) -> None:
    """Conversations of a travel assistant."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(uri)
    items = client["agents"]["session_items"]
    policy = SummarizeOlder(summarise, max_tokens=1_000)
    store = MongoSessionStore(client["agents"], policy=policy)
    for name, owner, title, rounds in [
        ("ben:visa", "ben", "A visa for Norway", 1),
        ("cleo:refund", "cleo", "Refund of a cancelled flight", 2),
        ("ann:trip", "ann", "Northern Lights in February", 6),
    ]:
        session = store.session(name, owner=owner)
        for number in range(rounds * len(TURNS)):
            asked, answered = TURNS[number % len(TURNS)]
            calls = call(number) if "airline" in asked else []
            await session.add_items(
                [  # type: ignore[list-item] # any JSON object
                    {"role": "user", "content": asked},
                    *calls,
                    {"role": "assistant", "content": answered},
                ]
            )
            await session.flush()
        await session.update_card(title=title)
        async for entry in session.entries():
            at = BEGAN + timedelta(hours=5 * entry.seq)
            place = {"session_id": name, "seq": entry.seq}
            await items.update_one(place, {"$set": {"created_at": at}})
    await store.close()
    await items.drop_index("session_summary")  # something for the doctor to find
    await client.close()


def draw(name: str, arguments: list[str], uri: str) -> None:
    """Run a command, and write what a terminal would show."""
    environment = {**os.environ, "MONGODB_URI": uri, "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS)}
    environment |= {"TERM": "xterm-256color", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "mongo_sessions", *arguments]
    ran = subprocess.run(  # noqa: S603 - our own command
        command, env=environment, capture_output=True, check=False, encoding="utf-8"
    )
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "dim"), (f"mongo-sessions {' '.join(arguments)}", "bold")))
    console.print(Text.from_ansi(ran.stdout))
    path = IMAGES / f"cli-{name}.svg"
    svg = console.export_svg(title="", code_format=FORMAT, unique_id=f"cli-{name}")
    lines = [line.rstrip() for line in svg.splitlines() if "<!--" not in line]
    path.write_text("\n".join(lines) + "\n", "utf-8")


async def main() -> None:
    """Draw all pictures."""
    async with EmbeddedMongo() as uri:
        await fill(uri)
        for name, arguments in PICTURES.items():
            await asyncio.to_thread(draw, name, arguments, uri)


if __name__ == "__main__":
    asyncio.run(main())
