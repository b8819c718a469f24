"""The policy: a summary of the older turns in front of the newest ones."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, get_args

from ..checks import check_callable, check_coroutine_function, check_seconds
from ..names import name_of
from ..token_limit import TokenLimit
from ..view import Added, CutReason
from .block import is_idle
from .budget import Budget
from .fold_job import FoldJob
from .fold_result import FoldStatus
from .fold_state import fold_state
from .keeping import Keeping
from .shown_message import shown_message
from .tail import TailReader
from .titler import Titler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from ..folds import FoldState
    from ..policy import Entry, History, Item, PinnedItem
    from ..view import View
    from .fold_result import FoldFailure, FoldReport, FoldResult
    from .summarizers import Summarizer
    from .tail import Tail
    from .usage import SummarizerUsage

Role = Literal["user", "assistant", "developer", "system"]

_POLL_SECONDS = 0.2


class SummarizeOlder:
    """Show a summary of the older turns, then the newest ones unchanged.

    The view has at most ``max_tokens``: one summary message of at most ``summary_tokens``, and the
    newest items. When the newest items have twice ``fold_tokens``, the oldest ``fold_tokens`` of
    them are folded into the summary. Between two folds, every prompt begins with the whole previous
    prompt, so a provider's prompt cache can reuse it. The rest of ``max_tokens`` is room for items
    that arrive while a summary is made.

    Summaries are stored with the session; the original items stay. Each summary is made once, by
    one worker, and used by all.

    Args:
        summarizer: Writes summaries: :class:`AgentSummarizer`, or any coroutine function that takes
            a :class:`SummaryRequest` and returns a str.
        max_tokens: Budget of the view, in tokens of the store's counter, at least 1,000.
            Instructions, tools and the new input come on top.
        fold_tokens: Tokens of one fold: by default three eighths of ``max_tokens`` minus
            ``summary_tokens``, at most half of that.
        summary_tokens: Room for the summary: by default an eighth of ``max_tokens``, at least 256.
        input_tokens: The most tokens of one request to the summariser, without its instructions:
            by default ``max_tokens``, at least twice ``summary_tokens``. A longer block takes
            several requests.
        user_tokens: Room for the newest of the user messages that are folded: they are kept word
            for word, in the summary message. ``summary_tokens`` includes it.
        keepsakes: Whether identifiers, amounts, dates, commands and standing instructions of the
            user that the summary lacks are kept word for word, in a fifth of its room.
        fold_when_idle: After a pause of this length, a read folds a part of a block, and waits for
            it, if at least ``fold_tokens`` are there: a provider's prompt cache has expired
            then. For example ``timedelta(minutes=5)``. None never does so.
        role: Of the summary message. With ``"developer"`` or ``"system"``, text of a user or a tool
            would have the authority of your own instructions.
        title: Whether to ask the summariser for a title after a fold, while the card of the session
            has none: see :meth:`MongoSession.card`. It is a second, small request, of the kind
            ``"title"``, in the background.
        background: True makes summaries in the background, after a write. False makes them during a
            read, which waits: for scripts, and for ``Runner.run_sync``.
        wait_seconds: The longest wait of a read if the newest items exceed their room and one fold
            makes them fit. After that, the last summary and the newest items that fit are shown.
        timeout: Seconds for one answer of the summariser. The lease on a summary lasts ten seconds
            longer: if a worker dies, another one takes over then.
        retry_after: Seconds until the next attempt after a failure. Doubled with each further
            failure, up to 32 times as long, for all workers together.
        on_summary: Called with a :class:`FoldReport` after each summary that this process has made
            and stored, in the background, too: for costs and metrics.
        on_failure: Called with a :class:`FoldFailure` after each failed attempt of this process.

    Both functions run in the event loop, between two steps of a fold: they must return at once. An
    error in one is logged, by its type alone, and has no other effect.

    Raises:
        TypeError: ``summarizer`` is not a coroutine function, or a hook is one.
        ValueError: a number is out of bounds, or ``role`` is unknown.
    """

    def __init__(
        self,
        summarizer: Summarizer,
        *,
        max_tokens: int = 16_000,
        fold_tokens: int | None = None,
        summary_tokens: int | None = None,
        input_tokens: int | None = None,
        user_tokens: int = 0,
        keepsakes: bool = True,
        fold_when_idle: timedelta | None = None,
        role: Role = "user",
        title: bool = False,
        background: bool = True,
        wait_seconds: float = 10.0,
        timeout: float = 120.0,
        retry_after: float = 30.0,
        on_summary: Callable[[FoldReport], object] | None = None,
        on_failure: Callable[[FoldFailure], object] | None = None,
    ) -> None:
        check_coroutine_function("summarizer", summarizer)
        if role not in get_args(Role):
            raise ValueError(f"role must be one of {', '.join(get_args(Role))}, got {role!r}")
        check_seconds("wait_seconds", wait_seconds, may_be_zero=True)
        check_seconds("timeout", timeout)
        check_seconds("retry_after", retry_after)
        for name, hook in (("on_summary", on_summary), ("on_failure", on_failure)):
            if hook is not None:
                check_callable(name, hook)
        self.summarizer = summarizer
        self.budget = Budget.divided(
            *(max_tokens, summary_tokens, fold_tokens, input_tokens),
            user_tokens=user_tokens,
            idle=fold_when_idle,
        )
        self.max_tokens = max_tokens
        self.role = role
        self.background = background
        self.wait_seconds = wait_seconds
        self._tails = TailReader(self.budget)
        self._keeping = Keeping(self.budget, keepsakes=keepsakes)
        self._job = FoldJob(
            summarizer,
            self._keeping,
            role=role,
            timeout=timeout,
            retry_after=retry_after,
            on_summary=on_summary,
            on_failure=on_failure,
        )
        total = self._job.total
        titler = Titler(summarizer, role=role, timeout=timeout, total=total)
        self._titler = titler if title else None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({name_of(self.summarizer)}, max_tokens={self.max_tokens})"

    @property
    def usage(self) -> SummarizerUsage:
        """What the summariser has used for this policy object: in this process, in all sessions.

        Failed attempts are included.
        """
        return self._job.total.usage

    @property
    def pin_tokens(self) -> int:
        """Room for the pinned items of a session, as they are shown in the summary message."""
        return self._keeping.pin_tokens

    def tokens_of_pins(self, history: History, pins: Sequence[PinnedItem]) -> int:
        """Tokens that these items add to a summary message."""
        return self._keeping.tokens_of_pins(history, pins)

    async def __call__(self, history: History) -> list[Item]:
        return (await self.view(history)).items

    async def view(self, history: History) -> View:
        """The view, with the stored item that each of its items comes from."""
        tail = await self._tails.read(history)
        if await self._has_caught_up(history, tail):
            tail = await self._tails.read(history)
        return self._view(history, tail)

    def in_run(self) -> TokenLimit:
        """Inside a run: the summary that the run began with, and the newest items that fit."""
        return TokenLimit(self.max_tokens)

    async def maintain(self, history: History) -> bool:
        """Fold a block in the background, if one is due."""
        return self.background and await self._has_folded(history)

    async def fold(self, history: History) -> FoldResult:
        """Fold the oldest block, if one is due."""
        result = await self._job.run(history)
        if self._titler is not None and result.status is FoldStatus.FOLDED:
            await self._titler.run(history)
        return result

    async def fold_state(self, history: History) -> FoldState:
        """The state of the next fold. Nothing is changed, and the summariser is not asked."""
        return await fold_state(history, self.budget)

    async def _has_folded(self, history: History) -> bool:
        return (await self.fold(history)).status is FoldStatus.FOLDED

    async def _has_caught_up(self, history: History, tail: Tail) -> bool:
        """Whether a block may have been folded since ``tail`` was read."""
        is_idle = await self._is_idle(history, tail)
        if not self.background:
            is_due = is_idle or tail.tokens >= self.budget.due_tokens
            return is_due and await self._has_folded(history)
        behind = tail.tokens - self.budget.verbatim_tokens
        if not is_idle and not 0 < behind <= self.budget.fold_tokens:
            return False  # there is room, or one fold would not be enough
        await history.run_in_background(
            lambda: self._fold_or_wait(history, tail.anchor), self.wait_seconds
        )
        return True

    async def _is_idle(self, history: History, tail: Tail) -> bool:
        idle, budget = self.budget.idle, self.budget
        if idle is None or tail.newest is None:
            return False
        if not budget.fold_tokens <= tail.tokens <= budget.verbatim_tokens:
            return False
        return await is_idle(history, tail.newest, idle)

    async def _fold_or_wait(self, history: History, anchor: Entry | None) -> bool:
        """Fold one block after ``anchor``, or wait until another worker has folded it."""
        deadline = time.monotonic() + self.wait_seconds
        # Without a title: a read waits.
        while (await self._job.run(history)).status is FoldStatus.CLAIMED_BY_ANOTHER:
            await asyncio.sleep(_POLL_SECONDS)
            latest = await history.latest_summary()
            is_done = latest is not None and (anchor is None or latest.id != anchor.id)
            if is_done or time.monotonic() > deadline:
                break
        return False

    def _view(self, history: History, tail: Tail) -> View:
        shown = replace(tail.window.view(self.max_tokens), block=self._tails.block_tokens)
        anchor = tail.anchor
        if anchor is None:
            return shown
        has_gap = not tail.window.is_whole
        message = shown_message(history, anchor, self._keeping, role=self.role, has_gap=has_gap)
        reason = CutReason.SUMMARY if tail.window.is_whole else shown.reason
        parts = [Added(message, "summary"), *shown.parts]
        return replace(shown, parts=parts, reason=reason, anchor=anchor)
