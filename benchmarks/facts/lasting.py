"""Facts told in the first tenth of a conversation, and what is known of them at its end."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mongo_sessions import ListHistory, Recall, SummarizeOlder, TiktokenCounter, TokenLimit
from mongo_sessions.policies.summarize import FoldStatus

from .conversation import Fact, facts_in, newest
from .memory import room_of
from .rolling import RollingSummary

if TYPE_CHECKING:
    from .standins import Standin

FACTS = 20
CORRECTED = 5
"""Of these, told again with another value."""
_SEED = 2026
_NO_TIME_LIMIT = 60.0
_MAX_TOKENS = 16_000
_WINDOW_TOKENS = 4_000  # of the view with recall
_FOLD_TOKENS = 900  # more than a segment has: so the summariser has something to leave out


@dataclass(frozen=True, slots=True)
class Known:
    """At the end of a conversation: facts whose newest value is told, last of their values."""

    rolling: int
    segments: int
    keepsakes: int
    stale: int
    """Facts told with an older value, with keepsakes."""
    tokens: int
    """Of the message with keepsakes."""
    plain_tokens: int
    """Of the message without."""
    recalled: int
    """Known from a small window and what the question for the fact brings back."""


async def known(standin: Standin, folds: int, *, is_busy: bool) -> Known:
    """What is known after this many folds.

    Args:
        standin: Writes all summaries.
        folds: Of the conversation. The facts are told in the first tenth of them.
        is_busy: Whether each later turn tells a new identifier, too.

    Raises:
        RuntimeError: a fold failed.
    """
    plain, kept = (
        SummarizeOlder(
            standin,
            max_tokens=_MAX_TOKENS,
            fold_tokens=_FOLD_TOKENS,
            keepsakes=keepsakes,
            background=False,
        )
        for keepsakes in (False, True)
    )
    counter = TiktokenCounter()
    histories = [ListHistory([], token_counter=counter) for _ in range(2)]
    rolling = RollingSummary(standin, room_of(plain))
    told = _told()
    a_turn = plain.budget.fold_tokens // 2
    turns = max(1, folds // 10) * 2
    done = folded = number = 0
    facts: list[Fact] = []
    while done < folds:
        due = len(told) * min(number + 1, turns) // turns - len(facts)
        said = told[len(facts) : len(facts) + due]
        facts += said
        text = "\n".join(map(str, said)) or (f"ticket-{number} = {number}" if is_busy else "Well.")
        items = [
            {"role": "user", "content": text},
            {"role": "assistant", "content": "word " * a_turn},
        ]
        number += 1
        for history in histories:
            for item in items:
                history.append(item)
        for policy, history in zip((plain, kept), histories, strict=True):
            status = (await policy.fold(history)).status
            if status is FoldStatus.FAILED:
                raise RuntimeError(f"fold {done + 1} failed")
        if status is FoldStatus.FOLDED and (anchor := await histories[0].latest_summary()):
            block, folded = histories[0].entries[folded : anchor.seq], anchor.seq
            await rolling.fold("\n".join(str(entry.item["content"]) for entry in block))
            done += 1
    right = newest(facts)
    messages = [
        str((await policy(history))[0]["content"])
        for policy, history in zip((plain, kept), histories, strict=True)
    ]
    texts = [facts_in(text) for text in (rolling.text, *messages)]
    rights = [sum(shown.get(key) == right[key] for key in right) for shown in texts]
    stale = sum(key in texts[2] and texts[2][key] != right[key] for key in right)
    sizes = [counter({"role": "user", "content": message}) for message in messages]
    return Known(
        rolling=rights[0],
        segments=rights[1],
        keepsakes=rights[2],
        stale=stale,
        tokens=sizes[1],
        plain_tokens=sizes[0],
        recalled=await _recalled(histories[0], right),
    )


async def _recalled(history: ListHistory, right: dict[str, str]) -> int:
    """How many facts the prompts have that ask for them, one by one."""
    policy = Recall(TokenLimit(_WINDOW_TOKENS), seconds=_NO_TIME_LIMIT)
    view = await policy.view(history)
    found = 0
    for key, value in right.items():
        items = [*view.items, {"role": "user", "content": f"What is the value of {key}?"}]
        block = await policy.recalled(history, items, before_seq=view.start_seq or 1)
        prompt = [*view.items, *([block] if block else [])]
        shown = facts_in("\n".join(str(item["content"]) for item in prompt))
        found += shown.get(key) == value
    return found


def _told() -> list[Fact]:
    chance = random.Random(_SEED)
    keys = [f"contract-{number}" for number in range(FACTS)]
    return [Fact(key, str(chance.randrange(1_000, 10_000))) for key in (*keys, *keys[:CORRECTED])]
