"""The runs of a session object: what each has shown to its model, and the receipts for that."""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

from ..bypass import is_encrypted
from ..history.recalled_tokens import message_key
from ..policies import Added, CutReason
from ..policies.items import traits_of
from ..telemetry.telemetry import note_usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents import RunContextWrapper

    from ..counting.counting import Counting
    from ..history.history import SessionHistory
    from ..history.session_log import SessionLog
    from ..history.session_state import SessionState
    from ..log.documents import Document, Head, NewItem
    from ..policies import Item, View

_MOST_RUNS = 64
"""Concurrent runs of one session object. Beyond them, the oldest run writes no more receipts, and
does not notice a deletion."""

_MOST_TOKENS = 100_000_000
"""Far above any model's context. A larger report is an error of a provider, and would leave no room
for the history."""


class Shown(NamedTuple):
    """The view that a run began with. None: not known."""

    cut: int | None
    """Where its verbatim part begins. None, too, if it has none."""
    seen: int | None
    """The newest place that the read saw; 0 for an empty session."""
    anchor: int | None
    """The place of the summary that is shown. None, too, if there is none."""
    tokens: int | None
    """By the token counter."""
    message: int | None = None
    """The key of its newest user message."""


class Runs:
    """The runs of one session object, by their wrappers.

    The SDK passes one ``RunContextWrapper`` to all calls of a run. It cannot be hashed, so runs are
    found by its identity. A weak reference tells whether that is still the same object.
    """

    def __init__(self, state: SessionState, counting: Counting) -> None:
        self._state = state
        self._counting = counting
        self._runs: dict[int, _Run] = {}

    async def begin(
        self, wrapper: RunContextWrapper[Any] | None, view: View, history: SessionHistory
    ) -> None:
        """A run has read the view of a policy from this history. Added items are counted here."""
        self._state.view_start = _start_of(view)
        if wrapper is None:
            return
        added = [part.item for part in view.parts if isinstance(part, Added)]
        # A summary is short. A policy that makes all of its items may show a long history.
        counts = await self._counting.all(added, size=sys.maxsize if len(added) > 1 else 0)
        stored = sum(part.tokens for part in view.parts if not isinstance(part, Added))
        tokens = stored + sum(filter(None, counts)) if self._counting.is_on else None
        anchor = None if view.anchor is None else view.anchor.seq
        seen, message = history.newest_seq, message_key(view.items)
        shown = Shown(view.start_seq, seen, anchor, tokens, message)
        self._begin(wrapper, shown, history.session_log)

    def begin_with_items(
        self,
        wrapper: RunContextWrapper[Any] | None,
        documents: Sequence[Document],
        log: SessionLog,
        *,
        is_whole: bool,
    ) -> None:
        """A run has read all items, oldest first, or the newest ones, through this log.

        A run that reads the newest items is resumed, or has a limit in its settings: its receipts
        have the usage only. But a run that has read a view before goes on with that view.
        """
        if wrapper is None or not (is_whole or self._of(wrapper) is None):
            return
        self._state.view_start = None
        shown = Shown(None, None, None, None)
        if is_whole:
            first, last = (documents[0]["seq"], documents[-1]["seq"]) if documents else (None, 0)
            tokens = _sum([document.get("tokens") for document in documents])
            shown = Shown(first, last, None, tokens)
        self._begin(wrapper, shown, log)

    def _begin(self, wrapper: RunContextWrapper[Any], shown: Shown, log: SessionLog) -> None:
        ended = [key for key, run in list(self._runs.items()) if run.wrapper() is None]
        oldest = list(self._runs)[: 1 - _MOST_RUNS]
        for key in (*ended, *oldest, id(wrapper)):
            self._runs.pop(key, None)
        self._runs[id(wrapper)] = _Run(wrapper, shown, log.newest_place)

    def knows(self, wrapper: RunContextWrapper[Any] | None) -> bool:
        """Whether the run has read this session through this object."""
        return self._of(wrapper) is not None

    def stamped(
        self,
        wrapper: RunContextWrapper[Any] | None,
        items: Sequence[Item],
        new_items: Sequence[NewItem],
    ) -> Sequence[NewItem]:
        """The batch, with a receipt on its first item if a model of a known run wrote any."""
        run = self._of(wrapper)
        if run is None or not any(map(_is_from_model, items)):
            return new_items
        receipt = run.receipt(self._state, len(items))
        if "input" in receipt:
            note_usage(receipt["input"], receipt.get("cached"))
        return [new_items[0]._replace(receipt=receipt), *new_items[1:]]

    def since(self, wrapper: RunContextWrapper[Any] | None) -> int | None:
        """The newest place that the run has seen; None if the run or the place is not known."""
        run = self._of(wrapper)
        return None if run is None else run.since

    def appended(
        self,
        wrapper: RunContextWrapper[Any] | None,
        items: Sequence[Item],
        new_items: Sequence[NewItem],
        head: Head | None,
    ) -> None:
        """The batch is stored: the next prompt of the run has it."""
        if run := self._of(wrapper):
            run.add(items, [item.tokens for item in new_items])
            # The append would have noticed a deletion below the batch.
            if run.since is not None and head is not None:
                run.since = max(run.since, head.seq)

    def removed(self, wrapper: RunContextWrapper[Any] | None) -> None:
        """The run has removed items: its next prompt is not known."""
        if run := self._of(wrapper):
            run.prompt_tokens = None

    def _of(self, wrapper: RunContextWrapper[Any] | None) -> _Run | None:
        if wrapper is None:
            return None
        run = self._runs.get(id(wrapper))
        return run if run is not None and run.wrapper() is wrapper else None


class _Run:
    """One run, since it has read its view."""

    def __init__(
        self, wrapper: RunContextWrapper[Any], shown: Shown, newest_place: int | None
    ) -> None:
        self.wrapper = weakref.ref(wrapper)
        self.prompt_tokens = shown.tokens
        """Of the next prompt, by the token counter: the view, and the batches since."""
        self.since = newest_place
        """The newest place that the run has seen: a later deletion ends the run."""
        self._shown = shown
        self._message = shown.message
        """The key of the newest user message of its prompts."""
        self._requests = len(self._usage())
        """The requests in the usage up to the last batch; a shared wrapper may begin with some."""
        self._has_responded = False

    def receipt(self, state: SessionState, items: int) -> dict[str, int]:
        """The receipt of a batch that a model has written; observe the overhead of its prompt.

        Only the first response of a run is observed: a filter may have shortened later prompts,
        which the SDK does not tell.
        """
        shown, known = self._shown, {"items": items}
        request = self._request()
        if request is not None:
            is_first, self._has_responded = not self._has_responded, True
            if is_first and self.prompt_tokens is not None:
                counted = self.prompt_tokens + state.recalled_tokens.take(self._message)
                state.observe_overhead(max(0, request["input"] - counted))
        optional = {
            "cut": shown.cut,
            "seen": shown.seen,
            "anchor": shown.anchor,
            **(request or {}),
            "counted": self.prompt_tokens,
            "overhead": state.overhead_tokens,
        }
        return known | {name: n for name, n in optional.items() if isinstance(n, int)}

    def add(self, items: Sequence[Item], tokens: Sequence[int | None]) -> None:
        """Count a stored batch."""
        self._message = message_key(items) or self._message
        self.prompt_tokens = _sum([self.prompt_tokens, *tokens])
        self._requests = len(self._usage())

    def _request(self) -> dict[str, Any] | None:
        """The provider's tokens of the request that this response answers; None if unknown.

        It is the first since the last batch. An agent that is called as a tool shares the usage of
        its caller, and its requests follow.
        """
        requests = self._usage()[self._requests :]
        if not requests:
            return None
        tokens, details = _reported(requests[0].input_tokens), requests[0].input_tokens_details
        if not tokens:
            return None
        cached = None if details is None else _reported(details.cached_tokens)
        return {"input": tokens, "cached": cached, "output": _reported(requests[0].output_tokens)}

    def _usage(self) -> Sequence[Any]:
        """The requests so far. Any: a provider may set None where the types do not say so."""
        wrapper = self.wrapper()
        usage: Any = None if wrapper is None else wrapper.usage
        return () if usage is None else usage.request_usage_entries or ()


def _reported(tokens: object) -> int | None:
    """A provider's number of tokens; None if it cannot be one."""
    if not isinstance(tokens, int) or isinstance(tokens, bool):
        return None
    return tokens if 0 <= tokens <= _MOST_TOKENS else None


def _start_of(view: View) -> int | None:
    """See :attr:`SessionState.view_start`."""
    if view.reason is CutReason.WHOLE:
        return 0
    return None if view.reason is CutReason.UNKNOWN else view.start_seq


def _is_from_model(item: Item) -> bool:
    return not is_encrypted(item) and traits_of(item).from_model


def _sum(counts: Sequence[int | None]) -> int | None:
    """The total; None if any count is missing."""
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
