"""How many facts a summary tells rightly, ours and a rolling one of the same room."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from mongo_sessions import ListHistory, SummarizeOlder, TiktokenCounter
from mongo_sessions.policies.summarize import FoldStatus
from mongo_sessions.policies.summarize.message import summary_message
from mongo_sessions.policies.summarize.segments import from_summary, render

from .conversation import LASTING_FACTS, facts_in, newest, told, turn
from .rolling import RollingSummary
from .standins import tokens_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .conversation import Fact
    from .standins import Standin

_SEED = 2026


@dataclass(frozen=True, slots=True)
class Recall:
    """What a summary tells after some folds."""

    told: int
    """Facts that the conversation told up to there."""
    right: int
    """Of these, told with their newest value."""
    first: int
    """Of the first facts of the conversation."""
    stale: int
    """Facts told with an older value after each fold, added up."""


class Record:
    """Compares a summary with what it should tell, fold after fold."""

    def __init__(self) -> None:
        self._stale = 0

    def recall(self, facts: list[Fact], text: str) -> Recall:
        """After a further fold: the conversation told ``facts``, and the summary is ``text``."""
        shown, right = facts_in(text), newest(facts)
        rightly = {key for key, value in right.items() if shown.get(key) == value}
        self._stale += len(shown.keys() - rightly)
        first = sum(fact.key in rightly for fact in facts[:LASTING_FACTS])
        return Recall(len(right), len(rightly), first, self._stale)


async def recalls(
    standin: Standin, max_tokens: int, facts_a_fold: int, folds: int
) -> AsyncIterator[tuple[Recall, Recall]]:
    """After each fold: of our summary, and of a rolling one of the same room and blocks.

    Raises:
        RuntimeError: a fold failed.
    """
    policy = SummarizeOlder(standin, max_tokens=max_tokens, background=False, keepsakes=False)
    history = ListHistory([], token_counter=TiktokenCounter())
    rolling = RollingSummary(standin, room_of(policy))
    ours, theirs = Record(), Record()
    facts: list[Fact] = []
    folded = done = 0
    for fact in told(_SEED):
        facts.append(fact)
        for item in turn(fact, policy.budget.fold_tokens // facts_a_fold, len(facts)):
            history.append(item)
        outcome = (await policy.fold(history)).status
        if outcome is FoldStatus.FAILED:
            raise RuntimeError(f"fold {done + 1} failed")
        anchor = await history.latest_summary()
        if outcome is not FoldStatus.FOLDED or anchor is None:
            continue
        block, folded = history.entries[folded : anchor.seq], anchor.seq
        await rolling.fold("\n".join(str(entry.item["content"]) for entry in block))
        until = facts[: anchor.turn]
        text = render(from_summary(anchor.summary))
        yield ours.recall(until, text), theirs.recall(until, rolling.text)
        done += 1
        if done == folds:
            return


def room_of(policy: SummarizeOlder) -> int:
    """For a text, next to the label that its message needs."""
    label = summary_message([], datetime.now(timezone.utc), has_gap=True)
    return policy.budget.summary_tokens - tokens_of(str(label["content"])) + tokens_of("")
