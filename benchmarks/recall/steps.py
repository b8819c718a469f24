"""What each step of the ranking brings: the same search in memory, without one step at a time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mongo_sessions import ListHistory, Recall, TiktokenCounter, TokenLimit
from mongo_sessions.policies.recall.ranking import CONSTANTS, Constants
from mongo_sessions.policies.recall.terms import STOP_WORDS, terms_of

from .measure import Prompts, places_in_block

if TYPE_CHECKING:
    from collections.abc import Callable

    from mongo_sessions.policies.recall.terms import Term

    from .conversations import Conversation

_NO_TIME_LIMIT = 60.0


@dataclass(frozen=True)
class Step:
    """A ranking that lacks something."""

    constants: Constants = CONSTANTS
    stop_words: frozenset[str] = field(default=STOP_WORDS)
    has_stems: bool = True


STEPS: dict[str, Step] = {
    "all": Step(),
    "no share of the items around": Step(CONSTANTS._replace(neighbours=())),
    "no stop words": Step(stop_words=frozenset()),
    "no stems": Step(has_stems=False),
    "no weight of names": Step(CONSTANTS._replace(name_weight=1.0)),
    "no length": Step(CONSTANTS._replace(length_power=0.0)),
}


class _History(ListHistory):
    """A history whose search is that of a step."""

    def __init__(self, conversation: Conversation, step: Step) -> None:
        items = [turn.item for turn in conversation.turns]
        super().__init__(items, token_counter=TiktokenCounter())
        self.entries = [
            replace(entry, created_at=turn.date)
            for entry, turn in zip(self.entries, conversation.turns, strict=True)
        ]
        self.constants = step.constants
        self._step = step

    def terms_of(self, query: str) -> list[Term]:
        return terms_of(query, stop_words=self._step.stop_words, has_stems=self._step.has_stems)


async def recalled(
    conversation: Conversation,
    step: Step,
    max_tokens: int,
    block_tokens: int,
    *,
    every: int,
    tick: Callable[[], None],
) -> Prompts:
    """What prompts for every ``every``-th question have."""
    history = _History(conversation, step)
    policy = Recall(TokenLimit(max_tokens), block_tokens, seconds=_NO_TIME_LIMIT)
    view = await policy.view(history)
    start = view.start_seq or 1
    found = Prompts()
    for question in conversation.questions[::every]:
        items = [*view.items, {"role": "user", "content": question.text}]
        block = await policy.recalled(history, items, before_seq=start)
        places = list(range(start, len(conversation.turns) + 1))
        found.add(question, [*places, *(places_in_block([block, items[-1]]) if block else [])])
        tick()
    return found
