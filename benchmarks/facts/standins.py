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

    async def __call__(self, request: SummaryRequest) -> str:
        facts = [Fact(*fact) for fact in facts_in(request.transcript).items()]
        chance = random.Random(str(facts))
        kept = [fact for fact in facts if chance.random() >= self.forgets]
        if self.drops == "oldest":
            fitting = _first_within(kept[::-1], request.wanted_tokens)[::-1]
        else:
            fitting = _first_within(kept, request.wanted_tokens)
        return "\n".join(map(str, fitting)) or "-"


STANDINS = (
    Standin("keeps the newest", drops="oldest"),
    Standin("keeps the first", drops="newest"),
    Standin("forgets 5 %", drops="oldest", forgets=0.05),
)

FORGETFUL = Standin("forgets 90 %", drops="oldest", forgets=0.9)
"""Of exact details, about as much as was lost in compactions that were counted:
https://github.com/vshulcz/deja-vu/issues/543."""


def _first_within(facts: list[Fact], tokens: int) -> list[Fact]:
    """The first facts with at most ``tokens`` tokens together."""
    tokens -= tokens_of("")
    for index, fact in enumerate(facts):
        tokens -= tokens_of(f"{fact}\n") - tokens_of("")
        if tokens < 0:
            return facts[:index]
    return facts
