"""Put your agent, and your summariser, here: these need no key.

The model repeats the user, word by word. "wait 5" lets it call a tool that takes five seconds: time
to send a question from a second window, or to delete the conversation.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

from agents import Agent, function_tool, set_tracing_disabled
from agents.items import TResponseStreamEvent
from agents.testing import ScriptedModel, assistant_message, function_call
from openai.types.responses import ResponseTextDeltaEvent

from mongo_sessions import SummarizeOlder, SummaryRequest

set_tracing_disabled(True)  # traces are sent to OpenAI and need a key


class Repeater(ScriptedModel):
    async def stream_response(
        self,
        *args: Any,  # noqa: ANN401 - passed on
        **kwargs: Any,  # noqa: ANN401
    ) -> AsyncIterator[TResponseStreamEvent]:
        async for event in super().stream_response(*args, **kwargs):
            if isinstance(event, ResponseTextDeltaEvent):
                for word in re.findall(r"\s*\S+", event.delta):
                    await asyncio.sleep(0.02)
                    yield event.model_copy(update={"delta": word})
            else:
                yield event


@function_tool
async def wait(seconds: float) -> str:
    """Wait for some seconds."""
    await asyncio.sleep(seconds)
    return f"{seconds:g} seconds have passed."


def agent_for(text: str) -> Agent[Any]:
    """Where a real agent does not depend on the text: it is made once, at the top of this file."""
    steps = [[assistant_message(f"You said: {text}")]]
    if found := re.search(r"\bwait (\d{1,2}(?:\.\d)?)\b", text):
        call = function_call("wait", {"seconds": float(found[1])}, call_id=f"call_{uuid4().hex}")
        steps.insert(0, [call])
    return Agent("assistant", model=Repeater(steps), tools=[wait])


# A real one: AgentSummarizer("gpt-5-mini").
async def summarize(request: SummaryRequest) -> str:
    """The first words of each line."""
    lines = (line[:60] for line in request.transcript.splitlines() if line)
    return "\n".join(lines)[: 2 * request.wanted_tokens]


POLICY = SummarizeOlder(summarize, max_tokens=2_000)
"""What the model sees of a conversation: at most so many tokens, older turns as a summary."""
