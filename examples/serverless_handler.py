"""A handler for AWS Lambda and the like, which freeze the process between two calls.

Prints:

    {'answer': 'You said: Hello'}
    {'answer': 'You said: Hello again'}
"""

import asyncio
import os
from functools import cache
from typing import Any

from agents import Agent, Runner, set_tracing_disabled
from agents.testing import ScriptedModel, assistant_message

from mongo_sessions import MongoSessionStore, TokenLimit
from mongo_sessions.testing import EmbeddedMongo

set_tracing_disabled(True)  # traces are sent to OpenAI and need a key

# One event loop for all calls of a process: its connections are kept from one call to the next.
LOOP = asyncio.new_event_loop()


@cache
def store() -> MongoSessionStore:
    uri = os.environ["MONGODB_URI"]
    return MongoSessionStore.from_uri(uri, "serverless", policy=TokenLimit(16_000))


def agent_for(text: str) -> Agent[Any]:
    """Put your agent here. This one needs no key: its model repeats the user."""
    return Agent("assistant", model=ScriptedModel([[assistant_message(f"You said: {text}")]]))


async def handle(session_id: str, text: str) -> dict[str, str]:
    session = store().session(session_id)
    result = await Runner.run(agent_for(text), text, session=session)
    # A frozen process makes no summaries: finish the background work before the answer.
    await session.flush()
    return {"answer": result.final_output}


def handler(event: dict[str, str], _context: object) -> dict[str, str]:
    return LOOP.run_until_complete(handle(event["session_id"], event["text"]))


async def try_it() -> None:
    """What the platform does: it sets the variable and calls the handler."""
    async with EmbeddedMongo() as os.environ["MONGODB_URI"]:
        for text in ("Hello", "Hello again"):
            event = {"session_id": "user-123", "text": text}
            print(await asyncio.to_thread(handler, event, None))
        await asyncio.to_thread(LOOP.run_until_complete, store().close())


if __name__ == "__main__":
    asyncio.run(try_it())
    LOOP.close()
