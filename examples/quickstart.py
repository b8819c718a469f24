"""A conversation that every worker can continue, in a real MongoDB.

Prints:

    Nice to meet you, Ann.
    Your name is Ann.
    4 items are stored
"""

import asyncio

from agents import Agent, Runner, set_tracing_disabled
from agents.testing import ScriptedModel, assistant_message

from mongo_sessions import MongoSessionStore
from mongo_sessions.testing import EmbeddedMongo

# Put the real model here: "gpt-5-mini", say, with OPENAI_API_KEY set.
MODEL = ScriptedModel(
    [[assistant_message("Nice to meet you, Ann.")], [assistant_message("Your name is Ann.")]]
)
set_tracing_disabled(True)  # traces are sent to OpenAI and need a key


async def main() -> None:
    # Put the URI of your server here instead: it starts with mongodb:// or mongodb+srv://.
    async with EmbeddedMongo() as uri, MongoSessionStore.from_uri(uri, "quickstart") as store:
        agent = Agent("assistant", instructions="Answer briefly.", model=MODEL)
        for text in ("My name is Ann.", "What is my name?"):
            session = store.session("user-123")  # cheap: make one per request
            result = await Runner.run(agent, text, session=session)
            print(result.final_output)
        (info,) = await store.list_sessions(prefix="user-123")
        print(info.items, "items are stored")
        await store.delete_session("user-123")


if __name__ == "__main__":
    asyncio.run(main())
