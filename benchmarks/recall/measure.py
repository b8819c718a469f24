"""What the prompt for a question has, through a session, its filter and a real server."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from agents import Agent
from agents.run_config import CallModelData, ModelInputData
from pymongo import AsyncMongoClient, UpdateOne

from mongo_sessions import Recall, TiktokenCounter, TokenLimit
from mongo_sessions.policies import view_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mongo_sessions import History, Item, MongoSession, MongoSessionStore, RetrievalPolicy
    from mongo_sessions.policies import View

    from .conversations import Conversation, Question

_SEQ = re.compile(r"^#(\d+) ", re.MULTILINE)
_BATCH = 200
_AT_ONCE = 4
_NO_TIME_LIMIT = 60.0
_AGENT = Agent[Any]("asked")
_count = TiktokenCounter()


@dataclass
class Prompts:
    """The prompts for some questions."""

    evidence: float = 0.0
    """The share of a question's evidence that its prompt has: the sum over the questions."""
    questions: int = 0
    blocks: int = 0
    block_tokens: int = 0
    corrected: int = 0
    """Questions with an older value of what is asked for."""
    newest_last: int = 0
    """Of these: the newer value is in the prompt, and no older one behind it."""

    @property
    def share(self) -> float:
        return self.evidence / max(1, self.questions)

    def add(self, question: Question, places: Sequence[int]) -> None:
        self.questions += 1
        self.evidence += len(question.evidence.intersection(places)) / len(question.evidence)
        if question.older is not None:
            self.corrected += 1
            is_seen = question.evidence.issubset(places)
            is_behind = question.older in places and places.index(question.older) > max(
                map(places.index, question.evidence), default=0
            )
            self.newest_last += is_seen and not is_behind

    def add_block(self, tokens: int) -> None:
        self.blocks += 1
        self.block_tokens += tokens


class Watched:
    """A policy around another one, which remembers the places of its last view."""

    def __init__(self, policy: RetrievalPolicy) -> None:
        self.policy = policy
        self.places: list[int] = []

    async def __call__(self, history: History) -> list[Item]:
        return (await self.view(history)).items

    async def view(self, history: History) -> View:
        view = await view_of(self.policy, history)
        self.places = view.seqs
        return view


async def store_conversation(
    store: MongoSessionStore, conversation: Conversation, uri: str, database: str
) -> None:
    """Store the messages, with their dates."""
    session = store.session(conversation.name)
    turns = conversation.turns
    for start in range(0, len(turns), _BATCH):
        await session.add_items(cast("Any", [one.item for one in turns[start : start + _BATCH]]))
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        collection = client[database]["session_items"]
        await collection.bulk_write(
            [
                UpdateOne(
                    {"session_id": conversation.name, "seq": place},
                    {"$set": {"created_at": turn.date}},
                )
                for place, turn in enumerate(turns, 1)
            ]
        )


async def prompts(
    store: MongoSessionStore,
    conversation: Conversation,
    max_tokens: int,
    recalled_tokens: int | None,
    tick: Callable[[], None],
) -> Prompts:
    """What the first prompt of a run has, for each question.

    ``recalled_tokens`` of None is a session without Recall.
    """
    found = Prompts()
    watched = Watched(TokenLimit(max_tokens))
    policy = (
        watched
        if recalled_tokens is None
        else Recall(watched, recalled_tokens, seconds=_NO_TIME_LIMIT)
    )
    session = store.session(conversation.name, policy=policy)
    view = cast("list[Item]", await session.get_items())
    places = list(watched.places)
    gate = asyncio.Semaphore(_AT_ONCE)

    async def ask(question: Question) -> tuple[Question, list[Item]]:
        async with gate:
            prompt = await prompt_of(session, view, question.text)
            tick()
            return question, prompt

    for question, prompt in await asyncio.gather(*map(ask, conversation.questions)):
        recalled, verbatim = places_in_block(prompt), len(prompt) - 1
        if recalled:
            found.add_block(_count(prompt[-2]))
            verbatim -= 1
        found.add(question, [*(places[-verbatim:] if verbatim else []), *recalled])
    return found


async def prompt_of(session: MongoSession, view: Sequence[Item], question: str) -> list[Item]:
    """What the filter of the session makes of the first input of a run."""
    items = [*view, {"role": "user", "content": question}]
    data = ModelInputData(input=cast("Any", items), instructions=None)
    shown = await session.input_filter()(CallModelData(data, _AGENT, None))
    return cast("list[Item]", shown.input)


def places_in_block(prompt: Sequence[Item]) -> list[int]:
    """The places that the block in front of the question names."""
    block = str(prompt[-2]["content"]) if len(prompt) > 1 else ""
    is_block = block.startswith("<conversation_record>")
    return [int(seq) for seq in _SEQ.findall(block)] if is_block else []
