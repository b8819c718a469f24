"""Work of one user: appending, reading, popping, and a whole turn of the SDK's Runner."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from agents import Agent, Model, ModelResponse, RunConfig, Runner, Usage, function_tool
from agents.testing import assistant_message, function_call

from .data import conversation
from .ours import SUMMARIZE_OLDER, TOKEN_LIMIT, Bare, Ours
from .race import Lane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agents.items import TResponseInputItem, TResponseStreamEvent
    from agents.memory import Session

    from mongo_sessions import RetrievalPolicy

    from .contenders import Contender, Field


APPENDED = (1, 4, 20)
NEWEST = 50
EVERYTHING = 1_000
VIEWS: dict[str, RetrievalPolicy] = {"TokenLimit": TOKEN_LIMIT, "SummarizeOlder": SUMMARIZE_OLDER}
# What each policy shows, and the room of its first chunk: see mongo_sessions/history/history.py.
VIEW_DOCUMENTS = {"TokenLimit": 53, "SummarizeOlder": 41}

_BEGUN = 40  # items of a session that is written to


def append_name(items: int) -> str:
    return f"append {items}"


def newest_name(size: int) -> str:
    return f"newest {NEWEST} of {size:,}"


def view_name(policy: str, size: int) -> str:
    return f"view of {policy} at {size:,}"


ANEW_NAME = "append 1, by a new session object"
EVERYTHING_NAME = f"all of {EVERYTHING:,}"
POP_NAME = "pop"


async def append(field: Field, operations: int) -> list[Lane]:
    """To sessions in use; they grow alike."""
    del operations
    lanes = []
    for contender in field.contenders:
        for number in APPENDED:
            work = append_name(number)
            session = await field.filled(contender, f"{work}/{contender.name}", _BEGUN)
            batch = conversation(max(number, 4))[-number:]
            lanes.append(Lane(work, contender.name, partial(session.add_items, batch)))
    return lanes


async def append_anew(field: Field, operations: int) -> list[Lane]:
    """What appends before it has read or written anything; the bare driver knows no such thing."""
    del operations
    batch = conversation(4)[-1:]

    async def add(contender: Contender, session_id: str) -> None:
        await contender.session(session_id).add_items(batch)

    lanes = []
    for contender in field.contenders:
        if isinstance(contender, Bare):
            continue
        session = await field.filled(contender, f"anew/{contender.name}", _BEGUN)
        operation = partial(add, contender, session.session_id)
        lanes.append(Lane(ANEW_NAME, contender.name, operation))
    return lanes


async def newest(field: Field, operations: int) -> list[Lane]:
    """Of sessions of any length: all in the same rounds."""
    del operations
    lanes = []
    for contender in field.contenders:
        for size in field.scale.sizes:
            session = await field.filled(contender, f"{size} items", size)
            if await session.get_items(limit=NEWEST) != conversation(size)[-NEWEST:]:
                raise RuntimeError(f"{contender.name} has read something else than was stored")
            operation = partial(session.get_items, limit=NEWEST)
            lanes.append(Lane(newest_name(size), contender.name, operation))
    return lanes


async def everything(field: Field, operations: int) -> list[Lane]:
    del operations
    return [
        Lane(
            EVERYTHING_NAME,
            contender.name,
            (await field.filled(contender, f"{EVERYTHING} items", EVERYTHING)).get_items,
        )
        for contender in field.contenders
    ]


async def view(field: Field, operations: int) -> list[Lane]:
    """What a policy shows, which only this library has; and the floor: the documents it reads."""
    del operations
    lanes = []
    for policy, size in ((policy, size) for policy in VIEWS for size in field.scale.sizes):
        work, session_id = view_name(policy, size), f"{policy} at {size}"
        for contender in field.contenders:
            if isinstance(contender, Ours):
                is_new = field.is_new(contender, session_id)
                await field.filled(contender, session_id, size)
                if is_new and policy == "SummarizeOlder":
                    await contender.summarise(session_id)
                shown = contender.session(session_id, policy=VIEWS[policy])
                lanes.append(Lane(work, contender.name, shown.get_items))
            elif isinstance(contender, Bare):
                bare = await field.filled(contender, session_id, size)
                operation = partial(bare.get_items, limit=VIEW_DOCUMENTS[policy])
                lanes.append(Lane(work, contender.name, operation))
    return lanes


async def pop(field: Field, operations: int) -> list[Lane]:
    """From sessions that have enough."""
    size = _BEGUN + operations + -operations % 4
    return [
        Lane(
            POP_NAME,
            contender.name,
            (await field.filled(contender, f"pop {size}/{contender.name}", size)).pop_item,
        )
        for contender in field.contenders
    ]


TURN_NAME = "a Runner turn"
_TURN_BEGUN = 20
_TURN: Any = conversation(4)


@function_tool
def find_order(number: int) -> str:
    """Look up an order."""
    del number
    return str(_TURN[2]["output"])


class Scripted(Model):
    """Calls the tool, and answers when it has its output. It takes no time."""

    async def get_response(
        self,
        system_instructions: str | None,  # noqa: ARG002 - it has a script
        input: str | list[TResponseInputItem],  # noqa: A002 - the SDK's name
        *_: Any,  # noqa: ANN401 - settings, tools, and more of what it does not look at
        **__: Any,  # noqa: ANN401
    ) -> ModelResponse:
        newest = cast("list[TResponseInputItem]", input)[-1]
        if newest.get("type") == "function_call_output":
            answer = assistant_message(_TURN[3]["content"][0]["text"])
            return ModelResponse([answer], usage=Usage(), response_id=None)
        call = function_call("find_order", {"number": 4711}, call_id=_TURN[1]["call_id"])
        return ModelResponse([call], usage=Usage(), response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[TResponseStreamEvent]:  # noqa: ANN401
        raise NotImplementedError


async def turns(field: Field, operations: int) -> list[Lane]:
    """No session has a limit or a policy: all send the same, and it grows alike."""
    del operations
    agent = Agent("assistant", model=Scripted(), tools=[find_order])
    config = RunConfig(tracing_disabled=True)

    async def run(session: Session) -> None:
        await Runner.run(agent, _TURN[0]["content"], session=session, run_config=config)

    return [
        Lane(
            TURN_NAME,
            contender.name,
            partial(run, await field.filled(contender, f"turn/{contender.name}", _TURN_BEGUN)),
        )
        for contender in field.contenders
    ]
