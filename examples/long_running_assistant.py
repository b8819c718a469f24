"""A conversation of 200 turns, of which the model never sees more than its budget.

    make demo

It needs no key, no network and no server: a scripted model stands in for a real one, and a
throw-away mongod is started (or the server at MONGODB_URI is used). Everything else is real: the
SDK's Runner, tool calls, MongoDB, token counts.

It shows a table that grows: the turn, what is stored, how many tokens the model was sent, and how
much of that began like the prompt before (which a provider's prompt cache does not charge in full).
It ends with the totals, beside those of sending everything.

With OPENAI_API_KEY set, ``--model gpt-5-mini``, say, chats with that model instead.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from agents import Agent, Model, RunConfig, Runner, function_tool
from agents.testing import ScriptedModel, assistant_message, function_call
from rich.console import Console
from rich.live import Live
from rich.table import Table

from mongo_sessions import MongoSession, MongoSessionStore, TiktokenCounter, TokenLimit
from mongo_sessions.testing import EmbeddedMongo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.items import TResponseInputItem
    from agents.run_config import CallModelData, ModelInputData

ROWS_SHOWN = 15
TOPICS = ("the invoice", "the delivery date", "a damaged parcel", "the discount", "the address")
WORDS = ("we", "have", "looked", "into", "it", "and", "the", "carrier", "confirmed", "that", "soon")
count_tokens = TiktokenCounter()


@function_tool
def find_order(number: int) -> str:
    """Look up an order."""
    return " | ".join(
        f"line {n}: article {number * n % 9973}, packed, shipped" for n in range(1, 9)
    )


def tokens(items: Sequence[Any]) -> int:
    return sum(map(count_tokens, items))


@dataclass
class Meter:
    """Measures each prompt on its way to the model."""

    sent: int = 0
    same: int = 0
    calls: int = 0
    everything: int = 0
    latest: list[TResponseInputItem] = field(default_factory=list)
    left_out: int = 0
    """Tokens that are stored, and that the current run does not send."""

    def __call__(self, data: CallModelData[Any]) -> ModelInputData:
        prompt = data.model_data.input
        same = 0
        for item, before in zip(prompt, self.latest, strict=False):
            if item != before:
                break
            same += 1
        sent = tokens(prompt)
        self.sent += sent
        self.same += tokens(prompt[:same])
        self.everything += sent + self.left_out
        self.calls += 1
        self.latest = prompt
        return data.model_data


@dataclass(frozen=True)
class Row:
    """One turn of the table."""

    turn: int
    items: int
    stored: int
    calls: int
    sent: int
    same: int

    def cells(self) -> list[str]:
        same = f"{self.same / self.sent:.0%}"
        return [
            *(f"{n:,}" for n in (self.turn, self.items, self.stored, self.calls, self.sent)),
            same,
        ]


COLUMNS = ("turn", "items stored", "tokens stored", "model calls", "tokens sent", "same as before")


class Conversation:
    """Runs turns on one session, and says what each one cost."""

    def __init__(self, session: MongoSession, model: Model | str) -> None:
        self.session = session
        self.agent = Agent("assistant", model=model, tools=[find_order])
        self.meter = Meter()
        self.largest_view = 0
        self._turns = self._items = self._stored = 0

    async def turn(self, text: str) -> tuple[str, Row]:
        before = replace(self.meter)
        view = tokens(await self.session.get_items())
        self.largest_view = max(self.largest_view, view)
        self.meter.left_out = self._stored - view
        config = RunConfig(call_model_input_filter=self.meter, tracing_disabled=True)
        result = await Runner.run(self.agent, text, session=self.session, run_config=config)
        self._turns += 1
        async for entry in self.session.entries(after_seq=self._items):
            self._items, self._stored = entry.seq, entry.total_tokens
        row = Row(
            turn=self._turns,
            items=self._items,
            stored=self._stored,
            calls=self.meter.calls - before.calls,
            sent=self.meter.sent - before.sent,
            same=self.meter.same - before.same,
        )
        return str(result.final_output), row


def table_of(rows: list[Row], max_tokens: int) -> Table:
    table = Table(title=f"TokenLimit({max_tokens:,}), scripted model", title_justify="left")
    for name in COLUMNS:
        table.add_column(name, justify="right")
    for row in rows[-ROWS_SHOWN:]:
        table.add_row(*row.cells())
    return table


def totals_of(conversation: Conversation, max_tokens: int) -> Table:
    meter = conversation.meter
    table = Table(title="Totals", title_justify="left")
    table.add_column("")
    table.add_column("this policy", justify="right")
    table.add_column("sending everything", justify="right")
    table.add_row("model calls", f"{meter.calls:,}", f"{meter.calls:,}")
    table.add_row("tokens sent", f"{meter.sent:,}", f"{meter.everything:,}")
    table.add_row("  of these, as in the prompt before", f"{meter.same / meter.sent:.1%}", "")
    table.add_row("largest view", f"{conversation.largest_view:,} of {max_tokens:,}", "")
    table.add_row("sent, compared", f"{meter.sent / meter.everything:.1%}", "100.0%")
    return table


def script(model: ScriptedModel, turn: int, dice: random.Random) -> str:
    """Tell the model what to answer next; return what the user says."""
    topic, number = dice.choice(TOPICS), dice.randrange(1_000, 9_999)
    if turn % 3 == 0:
        call = function_call("find_order", {"number": number}, call_id=f"call_{turn}")
        model.enqueue([call])
    answer = " ".join(dice.choices(WORDS, k=dice.randrange(40, 160)))
    model.enqueue([assistant_message(f"About {topic}: {answer}.", item_id=f"msg_{turn}")])
    return f"Turn {turn}: what about {topic} of order {number}? " + "Please be thorough. " * 5


async def run_script(console: Console, session: MongoSession, turns: int, max_tokens: int) -> None:
    model = ScriptedModel()
    conversation = Conversation(session, model)
    dice = random.Random(7)
    rows: list[Row] = []
    with Live(table_of(rows, max_tokens), console=console, refresh_per_second=8) as live:
        for turn in range(1, turns + 1):
            _, row = await conversation.turn(script(model, turn, dice))
            rows.append(row)
            live.update(table_of(rows, max_tokens))
    console.print()
    console.print(totals_of(conversation, max_tokens))


async def chat(console: Console, session: MongoSession, model: str) -> None:
    conversation = Conversation(session, model)
    console.print(f"Chatting with {model}; an empty line ends it.")
    while text := (await asyncio.to_thread(input, "> ")).strip():
        answer, row = await conversation.turn(text)
        console.print(answer)
        console.print(
            f"[dim]{row.items:,} items with {row.stored:,} tokens stored, {row.sent:,} sent[/dim]"
        )


async def main() -> None:
    parser = argparse.ArgumentParser(description="A long conversation in a bounded context.")
    parser.add_argument("--turns", type=int, default=200)
    parser.add_argument("--max-tokens", type=int, default=8_000)
    parser.add_argument("--model", help="chat with this model; needs OPENAI_API_KEY")
    options = parser.parse_args()
    if options.model and not os.environ.get("OPENAI_API_KEY"):
        parser.error("--model needs OPENAI_API_KEY to be set")
    console = Console()
    policy = TokenLimit(options.max_tokens)
    async with (
        EmbeddedMongo() as uri,
        MongoSessionStore.from_uri(uri, "mongo_sessions_demo", policy=policy) as store,
    ):
        session = store.session(f"demo-{uuid.uuid4()}")
        if options.model:
            await chat(console, session, options.model)
        else:
            await run_script(console, session, options.turns, options.max_tokens)
        await store.delete_session(session.session_id)


if __name__ == "__main__":
    asyncio.run(main())
