"""Stand-ins for a model: deterministic summarisers that know facts and nothing else."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from mongo_sessions import TiktokenCounter

from .conversation import Fact, facts_in

if TYPE_CHECKING:
    from mongo_sessions import SummaryRequest

_counter = TiktokenCounter()


@lru_cache(100_000)
def tokens_of(text: str) -> int:
    """Tokens of a message with this text."""
    return _counter({"role": "user", "content": text})


@dataclass(frozen=True)
class Standin:
    """Writes down the facts that it reads, one a line; of two values of a key, the later one."""

    name: str
    drops: Literal["oldest", "newest"]
    """Which facts it leaves out when there is too little room."""
    forgets: float = 0.0
    """The chance of each fact to be lost each time it is written."""
    corrects_first: bool = False
    """Whether what corrects the summary so far is left out last, as a request asks for."""
    moves: bool = True

    async def __call__(self, request: SummaryRequest) -> str:
        if self.moves:
            facts = facts_in(request.transcript)
        else:
            facts = {}
            from .conversation import _FACT

            for m in _FACT.finditer(request.transcript):
                facts[m[1]] = m[2]
        chance = random.Random(str(facts))
        kept = [Fact(*fact) for fact in facts.items() if chance.random() >= self.forgets]
        before = facts_in(request.summary_so_far) if self.corrects_first else {}
        corrections = [f for f in kept if before.get(f.key, f.value) != f.value]
        others = [f for f in kept if f not in corrections]
        # What is left out first comes first.
        if self.drops == "newest":
            kept = [*others[::-1], *corrections[::-1]]
        else:
            kept = [*others, *corrections]
        fitting = set(_last_within(kept, request.wanted_tokens))
        return "\n".join(str(Fact(*fact)) for fact in facts.items() if fact in fitting) or "-"


def _last_within(facts: list[Fact], tokens: int) -> list[Fact]:
    """The last facts that have at most so many tokens together."""
    left = tokens - tokens_of("")
    for index, fact in reversed(list(enumerate(facts))):
        left -= tokens_of(f"{fact}\n") - tokens_of("")
        if left < 0:
            return facts[index + 1 :]
    return facts
