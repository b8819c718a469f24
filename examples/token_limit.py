"""A bounded view of a long conversation: the newest items within a number of tokens.

The window moves a block at a time. In between, each view begins with the whole of the previous one,
so a provider's prompt cache can reuse it.

Prints:

    stored: 400 items, 5,600 tokens
    shown: 132 items, at most 2,000 tokens
    the next view begins with this one: True
"""

import asyncio

from agents import TResponseInputItem

from mongo_sessions import MongoSessionStore, TokenLimit
from mongo_sessions.testing import EmbeddedMongo


def turn(number: int) -> list[TResponseInputItem]:
    return [
        {"role": "user", "content": f"Where is my order {number}, please?"},
        {"role": "assistant", "content": f"Order {number} was shipped on Monday and arrives soon."},
    ]


async def main() -> None:
    # Put the URI of your server here instead: it starts with mongodb:// or mongodb+srv://.
    async with EmbeddedMongo() as uri:
        policy = TokenLimit(2_000)
        async with MongoSessionStore.from_uri(uri, "token_limit", policy=policy) as store:
            session = store.session("user-123")
            for number in range(1, 201):
                await session.add_items(turn(number))
            (info,) = await store.list_sessions(prefix="user-123")
            print(f"stored: {info.items} items, {info.total_tokens:,} tokens")

            view = await session.get_items()  # the Runner asks for it in the same way
            print(f"shown: {len(view)} items, at most {policy.max_tokens:,} tokens")

            await session.add_items(turn(201))
            next_view = await session.get_items()
            print("the next view begins with this one:", next_view[: len(view)] == view)
            await store.delete_session("user-123")


if __name__ == "__main__":
    asyncio.run(main())
