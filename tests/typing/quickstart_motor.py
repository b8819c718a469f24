"""Only type-checked, never run: the quickstart of the README, through Motor."""

# The drivers' clients are generic in the type of a document, and the README says none.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

import asyncio

from agents import Agent, Runner
from motor.motor_asyncio import AsyncIOMotorClient

from mongo_sessions import MongoSessionStore, TokenLimit


async def main() -> None:
    client = AsyncIOMotorClient("mongodb://localhost:27017")  # yours: the store never closes it
    store = MongoSessionStore(client["agents"], policy=TokenLimit(16_000))

    agent = Agent("assistant", instructions="Answer briefly.")
    session = store.session("user-123")  # cheap: make one per request
    result = await Runner.run(agent, "My name is Ann.", session=session)
    print(result.final_output)


asyncio.run(main())
