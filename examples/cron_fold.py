"""Make the summaries that are due, for a cron job: after turning summaries on, or every night.

It may be stopped at any time: the next run goes on.

Prints:

    user-1: items 1 to 54 folded
    user-1: items 55 to 108 folded
    user-2: items 1 to 54 folded
    3 summaries
"""

import asyncio

from agents import TResponseInputItem

from mongo_sessions import (
    FoldProgress,
    MongoSessionStore,
    SummarizeOlder,
    SummaryRequest,
)
from mongo_sessions.testing import EmbeddedMongo


# Put the real summariser here: AgentSummarizer("gpt-5-mini"), with OPENAI_API_KEY set.
async def summarize(request: SummaryRequest) -> str:
    """Stands in for a model: the first line of the transcript."""
    return request.transcript.splitlines()[0]


def print_progress(progress: FoldProgress) -> None:
    report = progress.report
    print(f"{report.session_id}: items {report.first_seq} to {report.last_seq} folded")


def turn(number: int) -> list[TResponseInputItem]:
    return [
        {"role": "user", "content": f"Where is my order {number}, please?"},
        {"role": "assistant", "content": f"Order {number} was shipped on Monday."},
    ]


async def fill(store: MongoSessionStore) -> None:
    """Stands in for conversations that were stored without summaries."""
    for session_id, turns in (("user-1", 80), ("user-2", 60), ("user-3", 5)):
        items = [item for number in range(turns) for item in turn(number)]
        await store.session(session_id).add_items(items)


async def main() -> None:
    policy = SummarizeOlder(summarize, max_tokens=2_000)  # the policy of your application
    # Put the URI of your server here instead: it starts with mongodb:// or mongodb+srv://.
    async with EmbeddedMongo() as uri, MongoSessionStore.from_uri(uri, "cron_fold") as store:
        await fill(store)
        made = await store.fold_pending(policy, limit=1_000, progress=print_progress)
        print(made, "summaries")
        for number in (1, 2, 3):
            await store.delete_session(f"user-{number}")


if __name__ == "__main__":
    asyncio.run(main())
