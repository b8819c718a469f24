"""The policy: what has left the view of another policy comes back when a message refers to it."""

from __future__ import annotations

import asyncio
from itertools import dropwhile, takewhile
from typing import TYPE_CHECKING

from ..around import PolicyAround
from ..checks import check_seconds, check_whole_number
from ..in_run import policy_in_run
from ..items import starts_turn, traits_of
from ..logger import logger
from ..names import describe_error, name_of
from ..summarize.message import is_summary_message
from ..view import CutReason, view_of
from ..wrapped_history import WrappedHistory
from .block import recall_block
from .small_talk import is_small_talk
from .terms import terms_of
from .texts import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..policy import Entry, Found, History, Item, RetrievalPolicy
    from ..view import View

LEAST_TOKENS = 100

_LEAST_RARITY = 0.5
"""The best hit must weigh this much of a word that only one item has. On LoCoMo, it excludes no
question: see ``make recall``."""
_TOKENS_PER_ITEM = 10
_MOST_ITEMS = 100
"""Of a search: the server sends all their texts."""
_VIEWS_WITHOUT_FILTER = 5


class Recall(PolicyAround):
    """Show the view of ``policy``, and recall older items that the new message refers to.

    The new user message is the query of a search among the items that are *not* in the view. What
    it finds comes as one message, directly in front of the new one: behind the history, which a
    provider's prompt cache has seen. It is made once a run, and stays the same in each model call
    of the run. It is not stored. It is labelled as a record and not a request, and its items are
    dated, with their ``seq``, oldest first. A message that refers to nothing (a greeting, thanks,
    words that most items have) gets no block.

    It needs the filter of the session, which alone knows the new message::

        policy = Recall(TokenLimit(4_000))
        session = store.session("user-123", policy=policy)
        run_config = RunConfig(call_model_input_filter=session.input_filter())

    Without the filter nothing is recalled, and a warning is logged after a few views. It finds
    words, not meanings: see ``docs/recall.md``.

    Args:
        policy: Selects the view: any policy.
        max_tokens: Of the block, in tokens of the store's counter, at least 100. They come on top
            of the budget of ``policy``. A budget of the whole prompt
            (``TokenLimit(…, whole_prompt=True)``) includes them: this many are deducted from it,
            whether there is a block or not, so that the view stands still.
        seconds: The most time that a run waits for the search. If it takes longer or fails, the run
            goes on without a block, and a warning is logged. In a session with several tens of
            thousands of items, the newest part may be all that was compared until then.

    Raises:
        TypeError: ``policy`` is not a coroutine function, or ``max_tokens`` is not a whole number.
        ValueError: a number is too small.
    """

    def __init__(
        self, policy: RetrievalPolicy, max_tokens: int = 1_000, *, seconds: float = 1.0
    ) -> None:
        super().__init__(policy)
        check_whole_number("max_tokens", max_tokens, at_least=LEAST_TOKENS)
        check_seconds("seconds", seconds)
        self.max_tokens = max_tokens
        self.seconds = seconds
        self._views_without_filter = 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({name_of(self.policy)}, max_tokens={self.max_tokens})"

    async def view(self, history: History, /) -> View:
        """The view of ``policy``: the block is not a part of it."""
        view = await view_of(self.policy, _Reserved(history, self.max_tokens))
        if view.reason is not CutReason.WHOLE:
            self._count_view()
        return view

    def in_run(self) -> RetrievalPolicy:
        """What ``policy`` does inside a run."""
        return _InRun(policy_in_run(self.policy), self.max_tokens)

    async def recalled(
        self, history: History, items: Sequence[Item], /, *, before_seq: int | None = None
    ) -> Item | None:
        """The block for the newest user message of ``items``: see :class:`HasRecall`.

        Never raises because of the search.
        """
        self._views_without_filter = 0
        query = _query(items)
        if is_small_talk(query):
            return None
        try:
            return await asyncio.wait_for(
                self._block(history, query, items, before_seq), self.seconds
            )
        except Exception as error:  # noqa: BLE001 - of the log or the counter; the turn goes on
            logger.warning(
                "Nothing is recalled in a run of session %r: %s",
                history.session_id,
                describe_error(error),
            )
            return None

    async def _block(
        self, history: History, query: str, items: Sequence[Item], before_seq: int | None
    ) -> Item | None:
        limit = min(self.max_tokens // _TOKENS_PER_ITEM, _MOST_ITEMS)
        # Half of the time: the texts are read after the comparison.
        found = await history.search(
            query, before_seq=before_seq, limit=limit, seconds=self.seconds / 2
        )
        shown = {text_of(item) for item in items}
        hidden = [one for one in found if text_of(one.entry.item) not in shown]
        if max((one.rarity for one in hidden), default=0.0) < _LEAST_RARITY:
            return None
        names = await _tool_names(history, hidden)
        # In a thread: the counter may load a vocabulary.
        return await asyncio.to_thread(
            recall_block,
            [one.entry for one in hidden],
            terms_of(query),
            self.max_tokens,
            history.count_tokens,
            names=names,
        )

    def _count_view(self) -> None:
        self._views_without_filter += 1
        if self._views_without_filter == _VIEWS_WITHOUT_FILTER:
            logger.warning(
                "%s recalls nothing: %d views were read, and no run has used the filter of the "
                "session. Pass RunConfig(call_model_input_filter=session.input_filter())",
                type(self).__name__,
                _VIEWS_WITHOUT_FILTER,
            )


class _InRun:
    """The policy inside a run, with room for the block in a budget of the whole prompt."""

    def __init__(self, policy: RetrievalPolicy, reserved: int) -> None:
        self._policy = policy
        self._reserved = reserved

    async def __call__(self, history: History, /) -> list[Item]:
        return (await self.view(history)).items

    async def view(self, history: History, /) -> View:
        return await view_of(self._policy, _Reserved(history, self._reserved))


class _Reserved(WrappedHistory):
    """A history whose prompts have the block, too."""

    def __init__(self, history: History, tokens: int) -> None:
        super().__init__(history)
        self._tokens = tokens

    @property
    def overhead_tokens(self) -> int:
        return self.history.overhead_tokens + self._tokens


def newest_message(items: Sequence[Item]) -> Item | None:
    """The newest user message that is not a summary; None if there is none."""
    newest = next((item for item in reversed(items) if starts_turn(item)), None)
    return None if newest is None or is_summary_message(newest) else newest


def _query(items: Sequence[Item]) -> str:
    """The text of the newest user message; if that is an image, of the one directly before it."""
    newest = newest_message(items)
    if newest is None:
        return ""
    before = dropwhile(lambda item: item is not newest, reversed(items))
    new = takewhile(lambda item: starts_turn(item) and not is_summary_message(item), before)
    return next(filter(None, map(text_of, new)), "")


async def _tool_names(history: History, found: Sequence[Found]) -> dict[str, str]:
    """The names of the tools that the found calls and outputs are of, by call id."""
    entries = [one.entry for one in found]
    names = _names_in(entries)
    missing = [
        call_id
        for entry in entries
        if traits_of(entry.item).is_output
        and isinstance(call_id := entry.item.get("call_id"), str)
        and call_id not in names
    ]
    if missing:
        calls = await history.find(missing, max(entry.seq for entry in entries))
        names = {**_names_in(calls), **names}
    return names


def _names_in(entries: Sequence[Entry]) -> dict[str, str]:
    return {
        str(entry.item["call_id"]): name
        for entry in entries
        if "call_id" in entry.item and isinstance(name := entry.item.get("name"), str)
    }
