"""Makes explanations: the parts of a prompt, counted, and why it is what it is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TYPE_CHECKING

from ..errors import CannotExplain
from ..log.documents import in_utc
from ..policies import Added, Changed, Entry, FoldPhase, HasFolds, ReadOnlyHistory
from ..policies.cuts import CutKind, cut_kind
from ..policies.items import traits_of
from ..policies.names import name_of
from .explanation import Explanation
from .parts import (
    Amount,
    ExplainedCut,
    ExplainedSummary,
    ModelUsage,
    SharedPrefix,
)
from .segment_ranges import ranges_of
from .token_kinds import by_kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from ..log.log import Log
    from ..log.reads.inventory import Counted, Totals
    from ..log.receipts import Receipt
    from ..policies import FoldState
    from ..policies.view import Part
    from .prompts import Prompt, Prompts

# Another worker may remove items between the view and the count of what is stored.
_ATTEMPTS = 5

_NO_COUNTS = "The store counts no tokens (token_counter=None)."


@dataclass(frozen=True, slots=True)
class Explainer:
    """Explains the prompts of one session."""

    log: Log
    prompts: Prompts
    has_token_counts: bool

    @property
    def session_id(self) -> str:
        return self.prompts.history.session_id

    async def now(self) -> Explanation:
        """What would be shown now."""
        for _ in range(_ATTEMPTS):
            prompt = await self.prompts.now()
            totals = await self._totals(prompt)
            if _is_unchanged(prompt, totals):
                break
        explained = await self._explained(prompt, totals)
        before = await self.log.receipts.latest_receipt(self.session_id)
        return replace(
            explained,
            fold=await self._fold(totals.now),
            usage=_usage(before),
            prefix=await self._prefix(prompt, before),
        )

    async def at(self, seq: int) -> Explanation:
        """What the model was shown when it wrote the item at ``seq``.

        Raises:
            CannotExplain: there is no such item, no model wrote it, or its prompt is not known.
        """
        receipt = await self._receipt(seq)
        prompt = await self.prompts.of(receipt)
        if prompt is None:
            raise CannotExplain(
                f"the prompt of item {seq} in session {self.session_id!r} cannot be shown: "
                "its view is not known, or the summary in it was removed"
            )
        before = await self.log.receipts.latest_receipt(self.session_id, receipt.seq)
        explained = await self._explained(prompt, await self._totals(prompt))
        return replace(
            explained,
            at_seq=seq,
            in_run=_amount([(entry, entry.tokens) for entry in prompt.since]),
            usage=_usage(receipt),
            prefix=await self._prefix(prompt, before),
        )

    async def _receipt(self, seq: int) -> Receipt:
        entry = await anext(self.prompts.history.oldest_first(seq - 1), None)
        where = f"in session {self.session_id!r}"
        if entry is None or entry.seq != seq:
            raise CannotExplain(f"there is no item {seq} {where}")
        if not traits_of(entry.item).from_model:
            kind = _kind_of(entry, None)
            raise CannotExplain(f"item {seq} {where} is {kind}: no model wrote it")
        receipt = await self.log.receipts.receipt_at(self.session_id, seq)
        if receipt is None:
            raise CannotExplain(
                f"item {seq} {where} has no receipt: it was not added by a run of the SDK"
            )
        return receipt

    async def _explained(self, prompt: Prompt, totals: Totals) -> Explanation:
        view, prompts = prompt.view, self.prompts
        parts = await self._counted(prompt.parts)
        trimmed = [(part, count) for part, count in parts if isinstance(part, Changed)]
        added = [(part, count) for part, count in parts if isinstance(part, Added)]
        summary = [(part, count) for part, count in added if part.kind == "summary"]
        stored = list(_stored(prompt.parts).values())
        anchor_seq = view.anchor.seq if view.anchor else 0
        return Explanation(
            session_id=self.session_id,
            policy=None if prompts.policy is None else name_of(prompts.policy),
            limit=prompts.limit if prompts.policy is None else None,
            budget=view.budget,
            overhead=prompt.overhead_tokens,
            has_token_counts=self.has_token_counts,
            verbatim=_amount((part, count) for part, count in parts if isinstance(part, Entry)),
            trimmed=_amount(trimmed),
            trimmed_from=sum(part.entry.tokens for part, _ in trimmed),
            summary=_amount(summary),
            added=_amount((part, count) for part, count in added if part.kind != "summary"),
            shown=_amount((entry, _stored_tokens(entry)) for entry in stored),
            covered=_without(totals.before, [e for e in stored if e.seq <= anchor_seq]),
            left_out=_without(totals.after, [e for e in stored if e.seq > anchor_seq]),
            by_kind=by_kind(parts),
            cut=await self._cut(prompt),
            summary_shown=await self._summary(view.anchor, _amount(summary).tokens),
            notes=prompt.notes if self.has_token_counts else (*prompt.notes, _NO_COUNTS),
        )

    async def _counted(self, parts: Sequence[Part]) -> list[tuple[Part, int]]:
        """Each part with its tokens in the prompt."""
        history = self.prompts.history

        def count() -> list[int]:
            return [
                history.count_tokens(part.item) if isinstance(part, Added) else part.tokens
                for part in parts
            ]

        # In a thread: counting may load a vocabulary.
        return list(zip(parts, await asyncio.to_thread(count), strict=True))

    async def _totals(self, prompt: Prompt) -> Totals:
        anchor = prompt.view.anchor
        return await self.log.inventory.totals(
            self.session_id, split_seq=anchor.seq if anchor else 0, last_seq=prompt.last_seq
        )

    async def _cut(self, prompt: Prompt) -> ExplainedCut | None:
        view = prompt.view
        if view.start_seq is None:
            return None
        # The item at the cut itself is not shown if an API would reject it.
        stored = _stored(prompt.parts)
        first = stored.get(min((seq for seq in stored if seq >= view.start_seq), default=0))
        if first is None:
            return None
        previous = await anext(self.prompts.history.newest_first(first.seq), None)
        return ExplainedCut(
            seq=first.seq,
            created_at=first.created_at,
            begins_with=_kind_of(first, previous),
            reason=view.reason,
            budget=view.budget,
            block=view.block,
        )

    async def _summary(self, anchor: Entry | None, tokens: int) -> ExplainedSummary | None:
        if anchor is None:
            return None
        ranges = await ranges_of(self.log, self.session_id, anchor)
        return ExplainedSummary(anchor.seq, anchor.created_at, tokens, ranges)

    async def _fold(self, now: datetime | None) -> FoldState | None:
        policy = self.prompts.policy
        if not isinstance(policy, HasFolds):
            return None
        state = await policy.fold_state(ReadOnlyHistory(self.prompts.history))
        has_ended = state is not None and state.until and now and state.until <= in_utc(now)
        return replace(state, phase=FoldPhase.DUE, until=None) if state and has_ended else state

    async def _prefix(self, prompt: Prompt, before: Receipt | None) -> SharedPrefix | None:
        """What ``prompt`` shares with the prompt of the call before."""
        earlier = None if before is None else await self.prompts.of(before)
        if before is None or earlier is None:
            return None
        parts = await self._counted(prompt.parts)
        pairs = zip(parts, earlier.parts, strict=False)
        same = [own for own, _ in takewhile(lambda pair: pair[0][0].item == pair[1].item, pairs)]
        shared, total = _amount(same), _amount(parts)
        own, whole = (shared.tokens, total.tokens) if total.tokens else (shared.items, total.items)
        return SharedPrefix(before.seq, shared.items, shared.tokens, own / max(1, whole))


def _amount(parts: Iterable[tuple[object, int]]) -> Amount:
    counts = [count for _, count in parts]
    return Amount(len(counts), sum(counts))


def _without(counted: Counted, shown: Sequence[Entry]) -> Amount:
    tokens = counted.tokens - sum(map(_stored_tokens, shown))
    return Amount(max(0, counted.items - len(shown)), max(0, tokens))  # see _ATTEMPTS


def _stored_tokens(entry: Entry) -> int:
    """As in the document. An item that was stored without a count has no running total, either."""
    return entry.tokens if entry.total_tokens else 0


def _is_unchanged(prompt: Prompt, totals: Totals) -> bool:
    """Whether no item was removed between the view and the count: at the end, or at the beginning.

    Nothing removes an item in between.
    """
    oldest = min(_stored(prompt.parts), default=totals.first_seq)
    return totals.last_seq == prompt.last_seq and totals.first_seq <= oldest


def _stored(parts: Iterable[Part]) -> dict[int, Entry]:
    """The stored items among ``parts``, by seq, each once."""
    entries = [part.entry if isinstance(part, Changed) else part for part in parts]
    return {entry.seq: entry for entry in entries if isinstance(entry, Entry)}


def _usage(receipt: Receipt | None) -> ModelUsage | None:
    if receipt is None or receipt.input is None:
        return None
    return ModelUsage(receipt.seq, receipt.input, receipt.cached, receipt.output)


def _kind_of(entry: Entry, previous: Entry | None) -> str:
    traits = traits_of(entry.item)
    if traits.instructs:
        return "a user message" if traits.starts_turn else f"a {entry.item['role']} message"
    if not traits.from_model:
        return "the output of a tool, or an answer to an approval request"
    kind = cut_kind(entry.item, previous.item if previous else None)
    return "a model response" if kind is CutKind.RESPONSE else "an item inside a model response"
