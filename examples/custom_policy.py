"""A retrieval policy of your own: any coroutine function that takes a history.

This one shows the newest user messages of a session, and everything that followed them.

Prints:

    in memory: ['three', 'Yes.', 'four', 'Yes.']
    in the store: ['three', 'Yes.', 'four', 'Yes.']
"""

import asyncio
from typing import Any

from mongo_sessions import History, Item, ListHistory, MongoSessionStore, TiktokenCounter
from mongo_sessions.policies import drop_unpaired, starts_turn
from mongo_sessions.testing import EmbeddedMongo

ITEMS: list[Any] = [
    item
    for text in ("one", "two", "three", "four")
    for item in ({"role": "user", "content": text}, {"role": "assistant", "content": "Yes."})
]


class LastTurns:
    """Show the newest ``turns`` turns."""

    def __init__(self, turns: int) -> None:
        self.turns = turns

    async def __call__(self, history: History, /) -> list[Item]:
        items: list[Item] = []
        turns = 0
        async for entry in history.newest_first():  # read in chunks, until the loop ends
            items.append(entry.item)
            turns += starts_turn(entry.item)
            if turns == self.turns:
                break
        # An API rejects a call without its output, and an output without its call.
        return drop_unpaired(items[::-1])


async def main() -> None:
    policy = LastTurns(2)

    # A unit test needs no database.
    history = ListHistory(ITEMS, token_counter=TiktokenCounter())
    print("in memory:", [item["content"] for item in await policy(history)])

    # Put the URI of your server here instead: it starts with mongodb:// or mongodb+srv://.
    async with (
        EmbeddedMongo() as uri,
        MongoSessionStore.from_uri(uri, "custom_policy", policy=policy) as store,
    ):
        session = store.session("user-123")
        await session.add_items(ITEMS)
        print("in the store:", [item.get("content") for item in await session.get_items()])
        await store.delete_session("user-123")


if __name__ == "__main__":
    asyncio.run(main())
