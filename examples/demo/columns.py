"""One measured conversation per session, and the four columns of the demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents import Agent, Model, RunConfig, Runner, function_tool
from meters import MeteredSummarizer, PromptMeter
from offline import ScriptedAssistant, extract
from script import FACTS

from mongo_sessions import MongoSession, MongoSessionStore, Recall, SummarizeOlder, TokenLimit

if TYPE_CHECKING:
    from script import Turn

    from mongo_sessions import RetrievalPolicy


@function_tool
def find_order(number: int) -> str:
    """Look up an order."""
    return " | ".join(
        f"line {n}: article {number * n % 9973}, encoded, shipped" for n in range(1, 9)
    )


class Conversation:
    def __init__(self, session: MongoSession, model: Model | str) -> None:
        self.session = session
        is_recalling = isinstance(session.policy, Recall)
        self.meter = PromptMeter(session.input_filter() if is_recalling else None)
        self._agent = Agent("assistant", model=model, tools=[find_order])

    async def turn(self, text: str) -> str:
        """Send a text; return the answer."""
        config = RunConfig(call_model_input_filter=self.meter, tracing_disabled=True)
        result = await Runner.run(self._agent, text, session=self.session, run_config=config)
        return str(result.final_output)


class Column:
    """The scripted conversation with one policy."""

    def __init__(
        self,
        name: str,
        store: MongoSessionStore,
        session_id: str,
        policy: RetrievalPolicy | None,
        summarizer: MeteredSummarizer | None = None,
    ) -> None:
        self.name = name
        self.summarizer = summarizer
        self.facts_known = 0
        self._model = ScriptedAssistant()
        self.session = store.session(session_id, policy=policy)
        self._conversation = Conversation(self.session, self._model)
        self.meter = self._conversation.meter

    async def play(self, turn: Turn) -> None:
        self._model.turn = turn
        answer = await self._conversation.turn(turn.says)
        self.facts_known += any(
            turn.asks_for == fact.opening and answer == fact.told for fact in FACTS
        )
        # Wait for the background: otherwise timing would decide which turn shows a new summary
        # first, and the figures would differ between runs.
        await self.session.flush()


def columns_of(store: MongoSessionStore, prefix: str, max_tokens: int) -> list[Column]:
    summarizer = MeteredSummarizer(extract)
    summarize = SummarizeOlder(summarizer, max_tokens=max_tokens)
    # On a busy machine, too, every run of the demo gives the same figures.
    recall = Recall(TokenLimit(max_tokens), seconds=60)
    return [
        Column("everything", store, f"{prefix}/everything", None),
        Column("TokenLimit", store, f"{prefix}/limit", TokenLimit(max_tokens)),
        Column("SummarizeOlder", store, f"{prefix}/summary", summarize, summarizer),
        Column("Recall", store, f"{prefix}/recall", recall),
    ]
