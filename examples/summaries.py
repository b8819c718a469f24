"""A summary of the older turns in front of the newest ones; the originals stay stored.

Prints:

    folded items 1 to 36: 504 tokens into 118
    shown: 1 summary and 54 items; stored: 90 items
"""

import asyncio

from agents import TResponseInputItem

from mongo_sessions import FoldReport, MongoSessionStore, SummarizeOlder, SummaryRequest
from mongo_sessions.testing import EmbeddedMongo


# Put the real summariser here: AgentSummarizer("gpt-5-mini"), with OPENAI_API_KEY set.
async def summarize(request: SummaryRequest) -> str:
    """Stands in for a model: the first and the last line of the transcript."""
    lines = request.transcript.splitlines()
    return f"{lines[0]}\n{lines[-1]}"


def report_fold(report: FoldReport) -> None:
    items = f"{report.first_seq} to {report.last_seq}"
    print(f"folded items {items}: {report.folded_tokens} tokens into {report.summary_tokens}")


def turn(number: int) -> list[TResponseInputItem]:
    return [
        {"role": "user", "content": f"Where is my order {number}, please?"},
        {"role": "assistant", "content": f"Order {number} was shipped on Monday and arrives soon."},
    ]


async def main() -> None:
    policy = SummarizeOlder(summarize, max_tokens=1_600, on_summary=report_fold)
    # Put the URI of your server here instead: it starts with mongodb:// or mongodb+srv://.
    async with (
        EmbeddedMongo() as uri,
        MongoSessionStore.from_uri(uri, "summaries", policy=policy) as store,
    ):
        session = store.session("user-123")
        for number in range(1, 46):
            await session.add_items(turn(number))
            await session.flush()  # a script waits for the background; a server does not
        view = await session.get_items()
        (info,) = await store.list_sessions(prefix="user-123")
        print(f"shown: 1 summary and {len(view) - 1} items; stored: {info.items} items")
        await store.delete_session("user-123")


if __name__ == "__main__":
    asyncio.run(main())
