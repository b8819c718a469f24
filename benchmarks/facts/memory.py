"""How many facts a summary tells rightly, ours and a rolling one of the same room."""

from __future__ import annotations

from datetime import datetime, timezone
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mongo_sessions import ListHistory, SummarizeOlder, TiktokenCounter
from mongo_sessions.policies.fold import Outcome
from mongo_sessions.policies.segments import from_summary, render

from mongo_sessions.policies.summary_message import summary_message

from .standins import tokens_of
from .conversation import LASTING_FACTS, facts_in, newest, told, turn
from .rolling import RollingSummary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from mongo_sessions import Item

    from .conversation import Fact
    from .standins import Standin

FACTS_A_FOLD = 12
_SEED = 2026


@dataclass(frozen=True, slots=True)
class Recall:
    """What a summary tells after some folds."""

    folds: int
    told: int
    """Facts of which the conversation told a value so far."""
    right: int
    """Of these, told with their newest value."""
    stale: int
    """Told with an older value."""
    first_right: int
    """Of the first facts of the conversation."""
    stale_so_far: int
    """Stale values after each fold, added up."""


class Record:
    """Compares a summary with what it should tell, fold after fold."""

    def __init__(self) -> None:
        self._stale_so_far = 0

    def recall(self, folds: int, facts: list[Fact], text: str) -> Recall:
        shown, right = facts_in(text), newest(facts)
        rightly = {key for key, value in right.items() if shown.get(key) == value}
        stale = len(shown.keys() - rightly)
        self._stale_so_far += stale
        first = sum(fact.key in rightly for fact in facts[:LASTING_FACTS])
        return Recall(folds, len(right), len(rightly), stale, first, self._stale_so_far)


async def recalls(
    standin: Standin, max_tokens: int, folds: int, seed: int = _SEED, **options: object
) -> AsyncIterator[tuple[Recall, Recall]]:
    """After each fold: of our summary, and of a rolling one of the same room and blocks."""
    policy = SummarizeOlder(standin, max_tokens=max_tokens, background=False, **options)
    history = ListHistory([], token_counter=TiktokenCounter())
    # Its message would need a label, too.
    label = summary_message([], datetime.now(timezone.utc), has_gap=True)
    rolling = RollingSummary(
        standin, policy.budget.summary_tokens - tokens_of(label["content"]) + tokens_of("")
    )
    ours, theirs = Record(), Record()
    facts: list[Fact] = []
    done = folded_items = 0
    for fact in told(seed):
        facts.append(fact)
        for item in turn(fact, policy.budget.fold_tokens // FACTS_A_FOLD, len(facts)):
            history.append(item)
        outcome = await policy.fold(history)
        if outcome is Outcome.FAILED:
            raise RuntimeError(f"the fold after {done} folds failed")
        if not outcome:
            continue
        done += 1
        anchor = await history.latest_summary()
        block = history.entries[folded_items : anchor.seq]
        folded_items = anchor.seq
        await rolling.fold("\n".join(entry.item["content"] for entry in block))
        until = facts[: anchor.turn]
        yield (
            ours.recall(done, until, render(from_summary(anchor.summary))),
            theirs.recall(done, until, rolling.text),
        )
        if done == folds:
            return
