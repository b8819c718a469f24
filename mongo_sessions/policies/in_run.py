"""A policy inside a run: bounds the input of one model call, without a session.

The list that a run sends to the model grows with each tool call, and no session is asked again. The
same policies bound it. What the model needs to go on is pinned: see :func:`view_in_run`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from .list_history import ListHistory
from .structure import Structure
from .summarize.message import is_summary_message
from .view import Added, Changed, CutReason, entry_of, view_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .policy import Entry, History, Item, RetrievalPolicy
    from .tokens import TokenCounter
    from .view import View


@runtime_checkable
class HasInRun(Protocol):
    """A policy that does something else inside a run than at its beginning."""

    def in_run(self) -> RetrievalPolicy:
        """The policy for the model calls of a run. It must not do slow work."""


@runtime_checkable
class HasRecall(Protocol):
    """A policy that adds a block to the input of a run."""

    async def recalled(
        self, history: History, items: Sequence[Item], /, *, before_seq: int | None = None
    ) -> Item | None:
        """The block for the newest user message of ``items``; None for no block.

        Args:
            history: The whole session.
            items: The input of the run. What is in it is not recalled.
            before_seq: Only items with a lower seq are recalled. None: all.
        """


def policy_in_run(policy: RetrievalPolicy) -> RetrievalPolicy:
    """What ``policy`` does inside a run: itself, unless it says otherwise."""
    return policy.in_run() if isinstance(policy, HasInRun) else policy


async def view_in_run(
    policy: RetrievalPolicy,
    items: Sequence[Item],
    *,
    count_tokens: TokenCounter,
    overhead_tokens: int = 0,
) -> list[Item]:
    """The items of a model call that ``policy`` shows; all of them, if they fit.

    Always kept, and deducted from the budget: a leading summary, the newest user message, and calls
    without output in the newest model response. The user message is deducted also while the
    policy shows it: so the cuts stay the same during a run.

    Args:
        policy: The result of :func:`policy_in_run`.
        items: The input of the call, oldest first. They are not changed.
        count_tokens: Counts an item.
        overhead_tokens: See :attr:`History.overhead_tokens`.
    """
    has_summary = bool(items) and is_summary_message(items[0])
    run = _Run(items[has_summary:], count_tokens, overhead_tokens)
    summary_tokens = count_tokens(items[0]) if has_summary else 0
    view = await run.view(policy, pinned_tokens=summary_tokens)
    if view.budget is not None and 4 * summary_tokens > 3 * view.budget:
        # A summary of ours leaves room for the newest items: this is none.
        has_summary, summary_tokens = False, 0
        run = _Run(items, count_tokens, overhead_tokens)
        view = await run.view(policy, pinned_tokens=0)
    if not run.is_whole(view):
        pinned = run.pinned()
        pinned_tokens = summary_tokens + sum(entry.tokens for entry in pinned)
        view = await run.view(policy, pinned_tokens=pinned_tokens)
        shown = list(_with_pinned(view, pinned))
    else:
        shown = run.with_changes(view)
    return [*items[:has_summary], *shown]


class _Run:
    """The input of one model call, without the summary, as a history."""

    def __init__(
        self, items: Sequence[Item], count_tokens: TokenCounter, overhead_tokens: int
    ) -> None:
        self._history = ListHistory(items, token_counter=count_tokens)
        self._history.overhead_tokens = overhead_tokens

    async def view(self, policy: RetrievalPolicy, *, pinned_tokens: int) -> View:
        self._history.pinned_tokens = pinned_tokens
        return await view_of(policy, self._history)

    def is_whole(self, view: View) -> bool:
        """Whether nothing is left out to fit, apart from invalid items."""
        if view.reason is not CutReason.UNKNOWN:
            return view.reason is CutReason.WHOLE
        shown = set(view.seqs)
        kept = Structure([entry.item for entry in self._history.entries]).kept()
        return all(
            entry.seq in shown
            for entry, is_valid in zip(self._history.entries, kept, strict=True)
            if is_valid
        )

    def with_changes(self, view: View) -> list[Item]:
        """All items, invalid ones too, with the changes of a view that leaves nothing out."""
        changed = {part.entry.seq: part.item for part in view.parts if isinstance(part, Changed)}
        return [changed.get(entry.seq, entry.item) for entry in self._history.entries]

    def pinned(self) -> list[Entry]:
        """The newest user message, and the calls of the newest model response without output."""
        entries = self._history.entries
        indices = set(Structure([entry.item for entry in entries]).open_calls())
        if entries and entries[-1].turn:
            turn = entries[-1].turn
            indices.add(next(n for n, entry in enumerate(entries) if entry.turn == turn))
        return [entries[index] for index in sorted(indices)]


def _with_pinned(view: View, pinned: Sequence[Entry]) -> Iterator[Item]:
    """The items of a view, with the pinned ones that are not shown in their places."""
    shown = set(view.seqs)
    missing = [entry for entry in pinned if entry.seq not in shown]
    for part in view.parts:
        while missing and not isinstance(part, Added) and missing[0].seq < entry_of(part).seq:
            yield missing.pop(0).item
        yield part.item
    yield from (entry.item for entry in missing)
