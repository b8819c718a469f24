"""What has left the view comes back when a message refers to it.

The window shows the newest items. The filter of the session searches the older ones with the words
of the new message, and puts what it finds in front of that message: as a record with dates.

Prints:

    the window has the fact: False
    what the model gets with the question:
    #1 user: My booking code is QX-4711.
    stored: 164 items, none of them made by Recall
"""

import asyncio

from agents import Agent, RunConfig, Runner
from agents.testing import ScriptedModel, assistant_message

from mongo_sessions import MongoSessionStore, Recall, TokenLimit
from mongo_sessions.testing import EmbeddedMongo

POLICY = Recall(TokenLimit(1_000), max_tokens=200)


async def main() -> None:
    # In place of a model. Put your model here instead.
    model = ScriptedModel([[assistant_message("Your booking code is QX-4711.")]])
    agent = Agent("assistant", model=model)

    # Put the URI of your server here instead: it starts with mongodb:// or mongodb+srv://.
    async with (
        EmbeddedMongo() as uri,
        MongoSessionStore.from_uri(uri, "recall", policy=POLICY) as store,
    ):
        session = store.session("user-123")
        await session.add_items([{"role": "user", "content": "My booking code is QX-4711."}])
        await session.add_items([{"role": "assistant", "content": "Noted."}])
        for number in range(80):
            question = f"Matter {number}: when does the parcel arrive?"
            await session.add_items([{"role": "user", "content": question}])
            await session.add_items([{"role": "assistant", "content": "In three days."}])
        print("the window has the fact:", "QX-4711" in str(await session.get_items()))

        config = RunConfig(call_model_input_filter=session.input_filter())
        await Runner.run(agent, "What was my booking code?", session=session, run_config=config)

        record = str(model.calls[0].input[-2])
        print("what the model gets with the question:")
        print(next(line for line in record.split("\\n") if "QX-4711" in line))
        (info,) = await store.list_sessions(prefix="user-123")
        print(f"stored: {info.items} items, none of them made by Recall")
        await store.delete_session("user-123")


if __name__ == "__main__":
    asyncio.run(main())
