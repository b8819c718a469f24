"""A run with many tool calls: no model call gets more than its budget.

A session is asked for its view once, at the beginning of a run. Then the input grows with each tool
call. The filter bounds every call by the same policy. All items are stored.

Prints:

    model calls: 31
    the largest call is within its budget: True
    the question is in every call: True
    stored: 7 times as many tokens
"""

import asyncio

from agents import Agent, RunConfig, Runner, TResponseInputItem, function_tool
from agents.testing import ScriptedModel, assistant_message, function_call

from mongo_sessions import (
    MongoSessionStore,
    TiktokenCounter,
    TokenLimit,
    TrimToolOutputs,
    input_filter,
)
from mongo_sessions.testing import EmbeddedMongo

BUDGET = 8_000
count = TiktokenCounter()


@function_tool
def read_page(number: int) -> str:
    return f"Page {number}. " + "All of it is about invoices. " * (20 * number)


def tokens(items: str | list[TResponseInputItem]) -> int:
    return sum(count(dict(item)) for item in items if not isinstance(item, str))


async def main() -> None:
    # In place of a model: it reads thirty pages. Put your model here instead.
    calls = [[function_call("read_page", {"number": n}, call_id=f"c{n}")] for n in range(30)]
    model = ScriptedModel([*calls, [assistant_message("It is about invoices.")]])
    agent = Agent("reader", model=model, tools=[read_page])

    # An output of a running turn has at most 1,000 tokens, and an old one at most 200.
    policy = TrimToolOutputs(TokenLimit(BUDGET), max_tokens=200, newest_max_tokens=1_000)
    config = RunConfig(call_model_input_filter=input_filter(policy))

    # Put the URI of your server here instead: it starts with mongodb:// or mongodb+srv://.
    async with (
        EmbeddedMongo() as uri,
        MongoSessionStore.from_uri(uri, "bounded_run", policy=policy) as store,
    ):
        session = store.session("user-123")
        question = "What is this about?"
        await Runner.run(agent, question, session=session, run_config=config, max_turns=50)

        prompts = [call.input for call in model.calls]
        print("model calls:", len(prompts))
        print("the largest call is within its budget:", max(map(tokens, prompts)) <= BUDGET)
        print("the question is in every call:", all(question in str(p) for p in prompts))
        (info,) = await store.list_sessions(prefix="user-123")
        print("stored:", (info.total_tokens or 0) // BUDGET, "times as many tokens")
        await store.delete_session("user-123")


if __name__ == "__main__":
    asyncio.run(main())
