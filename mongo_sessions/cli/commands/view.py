"""``mongo-sessions view``: the items that a model would be shown."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ...policies import Added, Changed, View, view_of
from ...policies.view import entry_of
from ..entries import print_item
from ..item_text import item_text
from ..opening import opened
from ..policy_specs import policy_of

if TYPE_CHECKING:
    from ...policies import History, RetrievalPolicy
    from ...policies.view import Part
    from ..opening import Opened
    from ..output import Output
    from ..target import Target


async def view(target: Target, output: Output, session_id: str, *, policy: str, full: bool) -> None:
    """Print the view of a policy, as it would be now. No summary is made for it."""
    chosen = policy_of(policy)
    async with opened(target, output) as database:
        await database.existing(session_id)
        history = await database.read_only_history(session_id)
        shown = await _view(database, session_id, history, chosen)
    tokens = await asyncio.to_thread(_tokens, history, shown)
    if output.as_json:
        output.record(
            {
                "session_id": session_id,
                "policy": policy,
                "tokens": sum(tokens),
                "budget": shown.budget,
                "starts_at": shown.start_seq,
                "reason": shown.reason.value,
                "summary_on": shown.anchor.seq if shown.anchor else None,
                "items": [
                    _record(part, count) for part, count in zip(shown.parts, tokens, strict=True)
                ],
            }
        )
        return
    for part, count in zip(shown.parts, tokens, strict=True):
        _print(output, part, count, full=full)
    of_budget = f" of {shown.budget:,}" if shown.budget else ""
    output.line(
        f"{len(shown.parts):,} items, {sum(tokens):,}{of_budget} tokens; {policy}: "
        f"{shown.reason.value}",
        "bold",
    )


async def _view(
    database: Opened, session_id: str, history: History, policy: RetrievalPolicy | None
) -> View:
    if policy is not None:
        return await view_of(policy, history)
    entries = [entry async for entry in database.store.session(session_id).entries()]
    return View(entries, start_seq=entries[0].seq if entries else None)


def _tokens(history: History, shown: View) -> list[int]:
    return [
        history.count_tokens(part.item) if isinstance(part, Added) else part.tokens
        for part in shown.parts
    ]


def _place(part: Part) -> tuple[int | None, str]:
    """The seq of the stored item, and how it is shown."""
    if isinstance(part, Added):
        return None, part.kind
    return entry_of(part).seq, "shortened" if isinstance(part, Changed) else "as stored"


def _record(part: Part, tokens: int) -> dict[str, Any]:
    seq, shown = _place(part)
    return {"seq": seq, "shown": shown, "tokens": tokens, "item": part.item}


def _print(output: Output, part: Part, tokens: int, *, full: bool) -> None:
    seq, shown = _place(part)
    told = item_text(part.item, full=full)
    number = "     +" if seq is None else f"{seq:>6,}"
    note = "" if shown == "as stored" else f", {shown}"
    print_item(output, f"{number}  ", told, f"  ({tokens:,} tokens{note})")
