"""One conversation of more than 200 turns, four times: whole, cut off, summarised, and recalled.

    make demo

It needs no key, no network and no server: a scripted model and a simple summariser stand in for
real ones, and a throw-away mongod is started (or the server at MONGODB_URI is used). Everything
else is real: the SDK's Runner, tool calls, MongoDB, token counts, and each prompt that is measured.

It prints a growing table: per turn, the stored tokens and the tokens sent to the model under each
policy; then the totals. The user tells eight facts at the beginning and asks for them at the end.
The model knows only its prompt.

With OPENAI_API_KEY set, ``--model gpt-5-mini`` starts a chat with that model instead; the model
also writes the summaries.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import uuid
from pathlib import Path

from columns import Column, Conversation, columns_of
from counting import count_tokens
from drawing import line_chart
from rich.console import Console
from rich.live import Live
from script import script
from tables import Row, totals_table, turns_table

from mongo_sessions import AgentSummarizer, MongoSessionStore, SessionInfo, SummarizeOlder
from mongo_sessions.testing import EmbeddedMongo

COLUMNS_NEEDED = 100


async def run_script(
    console: Console,
    store: MongoSessionStore,
    columns: list[Column],
    turns: int,
    max_tokens: int,
) -> None:
    rows: list[Row] = []
    with Live(turns_table(rows, columns), console=console, refresh_per_second=8) as live:
        for number, turn in enumerate(script(turns), 1):
            for column in columns:
                await column.play(turn)
            stored = await stored_of(store, columns[0].session.session_id)
            sent = [column.meter.sent_by_turn[-1] for column in columns]
            rows.append(Row(number, stored.total_tokens, sent))
            live.update(turns_table(rows, columns))
    console.print()
    console.print(totals_table(columns, max_tokens))


async def chat(
    console: Console, store: MongoSessionStore, session_id: str, model: str, max_tokens: int
) -> None:
    policy = SummarizeOlder(AgentSummarizer(model), max_tokens=max_tokens)
    conversation = Conversation(store.session(session_id, policy=policy), model)
    console.print(f"Chatting with {model}; an empty line ends it.")
    while text := (await asyncio.to_thread(input, "> ")).strip():
        answer = await conversation.turn(text)
        stored = await stored_of(store, session_id)
        sent = conversation.meter.sent_by_turn[-1]
        console.print(answer)
        console.print(
            f"[dim]{stored.items:,} items with {stored.total_tokens:,} tokens stored, "
            f"{sent:,} sent[/dim]"
        )


async def stored_of(store: MongoSessionStore, session_id: str) -> SessionInfo:
    (info,) = await store.list_sessions(prefix=session_id)
    return info


def picture_of(columns: list[Column]) -> str:
    return line_chart(
        "What the model is sent as a conversation grows",
        {column.name: column.meter.first_prompts for column in columns},
        x_label="turn",
        y_label="tokens in the first prompt of the turn",
    )


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A long conversation in a bounded context.")
    parser.add_argument(
        "--turns", type=int, default=200, help="between the facts and the questions"
    )
    parser.add_argument("--max-tokens", type=int, default=8_000, help="of a view; 1,000 or more")
    parser.add_argument("--picture", type=Path, metavar="PATH", help="draw the prompts as an SVG")
    parser.add_argument("--model", help="chat with this model; needs OPENAI_API_KEY")
    options = parser.parse_args()
    if options.model and not os.environ.get("OPENAI_API_KEY"):
        parser.error("--model needs OPENAI_API_KEY to be set")
    return options


async def main() -> None:
    options = read_options()
    console = Console()
    if not console.is_terminal:
        console = Console(width=COLUMNS_NEEDED)
    session_id = f"demo-{uuid.uuid4()}"
    async with (
        EmbeddedMongo() as uri,
        MongoSessionStore.from_uri(uri, "mongo_sessions_demo", token_counter=count_tokens) as store,
    ):
        if options.model:
            await chat(console, store, session_id, options.model, options.max_tokens)
        else:
            columns = columns_of(store, session_id, options.max_tokens)
            await run_script(console, store, columns, options.turns, options.max_tokens)
            if options.picture:
                options.picture.write_text(picture_of(columns), encoding="utf-8")
        for session in await store.list_sessions(prefix=session_id):
            await store.delete_session(session.session_id)


if __name__ == "__main__":
    asyncio.run(main())
