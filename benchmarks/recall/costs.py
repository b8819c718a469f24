"""What Recall costs: the time at the start of a run, and the prefix that a cache can reuse."""

from __future__ import annotations

import statistics
import time
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from rich.table import Table

from benchmarks.facts.prefix import in_common
from mongo_sessions import ListHistory, Recall, TiktokenCounter, TokenLimit
from mongo_sessions.policies import CutReason, view_of

from . import generated
from .measure import prompt_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mongo_sessions import Item, MongoSessionStore, RetrievalPolicy

_WINDOW = 4_000
_TIMES = 20
_OUTPUT = "line {number}: article {number}, encoded and shipped, as it was agreed; " * 12
_NO_TIME_LIMIT = 60.0
_count = TiktokenCounter()


class Prefix(NamedTuple):
    """What the model calls of a conversation are sent."""

    same: float
    """The share of the tokens that stand in a prefix identical to the call before."""
    sent: int
    blocks: int = 0
    """Tokens of the blocks, in all calls."""
    new_blocks: int = 0
    """Tokens of the blocks in the first call that each is in."""

    def with_blocks_of(self, recalling: Prefix) -> float:
        """The share, if these blocks were added, and nothing else were sent anew for them."""
        same = self.same * self.sent + recalling.blocks - recalling.new_blocks
        return same / (self.sent + recalling.blocks)


async def start_table(
    store: MongoSessionStore, sizes: tuple[int, ...], tick: Callable[[], None]
) -> Table:
    table = Table(title="The start of a run, in ms (median): view and filter", title_justify="left")
    for name in ("items", "TokenLimit", "with Recall", "with Recall, a greeting"):
        table.add_column(name, justify="right")
    conversation = generated.conversation()
    for size in sizes:
        name = f"{size} items"
        texts = [turn.item for turn in conversation.turns]
        items = [texts[number % len(texts)] for number in range(size)]
        for start in range(0, size, 500):
            await store.session(name).add_items(cast("Any", items[start : start + 500]))
        inner = TokenLimit(_WINDOW)
        recall = Recall(inner, seconds=_NO_TIME_LIMIT)
        asked = conversation.questions[0].text
        cells = [
            await _milliseconds(store, name, policy, text)
            for policy, text in ((inner, asked), (recall, asked), (recall, "Thanks a lot!"))
        ]
        table.add_row(f"{size:,}", *(f"{cell:.1f}" for cell in cells))
        tick()
    return table


async def _milliseconds(
    store: MongoSessionStore, session_id: str, policy: RetrievalPolicy, text: str
) -> float:
    taken: list[float] = []
    for _ in range(_TIMES + 1):
        session = store.session(session_id, policy=policy)
        began = time.perf_counter()
        view = cast("list[Item]", await session.get_items())
        await prompt_of(session, view, text)
        taken.append(time.perf_counter() - began)
    return 1_000 * statistics.median(taken[1:])


async def prefix_table(
    windows: tuple[int, ...], calls: tuple[int, ...], turns: int, tick: Callable[[], None]
) -> Table:
    """The last columns divide the points that Recall costs.

    A new block has to be sent, wherever it stands. And when it is gone, so is the prefix behind it:
    the turn before is sent anew.
    """
    title = (
        f"{turns} turns: tokens sent in a prefix identical to the call before (tokens of a call)"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("window")
    table.add_column("model calls a turn", justify="right")
    table.add_column("TokenLimit", justify="right")
    table.add_column("with Recall", justify="right")
    for name in ("points", "new blocks", "turn before"):
        table.add_column(name, justify="right")
    for window in windows:
        for number in calls:
            without = await prefix(window, number, turns, is_recalling=False)
            recalling = await prefix(window, number, turns, is_recalling=True)
            cells = [
                f"{one.same:.1%} ({one.sent / turns / number:,.0f})" for one in (without, recalling)
            ]
            least = without.with_blocks_of(recalling)
            points = [
                f"{100 * difference:+.1f}"
                for difference in (
                    recalling.same - without.same,
                    least - without.same,
                    recalling.same - least,
                )
            ]
            table.add_row(f"{window:,}", str(number), *cells, *points)
            tick()
    return table


async def prefix(window: int, calls: int, turns: int, *, is_recalling: bool) -> Prefix:
    """Of a conversation in which each turn has this many model calls, all but one with a tool."""
    history = ListHistory([], token_counter=_count)
    inner = TokenLimit(window)
    recall = Recall(inner, seconds=_NO_TIME_LIMIT)
    before: list[Item] = []
    sent = same = blocks = new_blocks = 0
    for turn in islice(_turns(calls), turns):
        view = await view_of(inner, history)
        message = turn[0]
        block = None
        if is_recalling and view.reason is not CutReason.WHOLE:
            block = await recall.recalled(
                history, [*view.items, message], before_seq=view.start_seq
            )
        prompt = [*view.items, *([block] if block else []), message]
        block_tokens = _count(block) if block else 0
        blocks += calls * block_tokens
        new_blocks += block_tokens
        for call in range(calls):
            counts = [_count(item) for item in prompt]
            sent += sum(counts)
            same += sum(counts[: in_common(prompt, before)])
            before = prompt
            prompt = [*prompt, *turn[1 + 2 * call : 3 + 2 * call]]
        for item in turn:
            history.append(item)
    return Prefix(same / sent, sent, blocks, new_blocks)


def _turns(calls: int) -> Iterator[list[Item]]:
    """A message, calls of a tool with their outputs, and an answer; then the questions again."""
    conversation = generated.conversation()
    asked = [{"role": "user", "content": question.text} for question in conversation.questions]
    told = [turn.item for turn in conversation.turns]
    number = 0
    for index in range(0, len(told), 2):
        message = asked[index % len(asked)] if index % 4 else told[index]
        turn = [message]
        for _ in range(calls - 1):
            number += 1
            arguments = {"call_id": f"call_{number}", "name": "find_order"}
            turn += [
                {"type": "function_call", "arguments": f'{{"number": {number}}}', **arguments},
                {
                    "type": "function_call_output",
                    "call_id": f"call_{number}",
                    "output": _OUTPUT.format(number=number),
                },
            ]
        yield [*turn, told[index + 1]]
