"""A whole turn of the SDK's Runner: a message, a tool call and its output, an answer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from agents import Agent, Model, ModelResponse, RunConfig, Runner, Usage, function_tool
from agents.testing import assistant_message, function_call

from .data import conversation
from .race import Lane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agents.items import TResponseInputItem, TResponseStreamEvent
    from agents.memory import Session

    from .contenders import Field

TURN_NAME = "a Runner turn"
_BEGUN = 20
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
            partial(run, await field.filled(contender, f"turn/{contender.name}", _BEGUN)),
        )
        for contender in field.contenders
    ]
