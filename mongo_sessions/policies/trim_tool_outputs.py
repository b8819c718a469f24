"""Shorter tool outputs in the view of another policy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .around import PolicyAround
from .checks import check_whole_number
from .in_run import policy_in_run
from .items import starts_turn, traits_of
from .list_history import ListHistory
from .names import name_of
from .outputs import shorten_output
from .turn_blocks import TurnBlocks
from .view import Added, Changed, entry_of, view_of

if TYPE_CHECKING:
    from .policy import Entry, History, Item, RetrievalPolicy
    from .view import Part, View

LEAST_TOKENS = 50

# Each move sends the kept turns anew, so they are few in comparison with a block. Measured by
# benchmarks/facts/tool_turns.py.
_LARGEST_BLOCK = 16


class TrimToolOutputs(PolicyAround):
    """Show the view of ``policy``, with large tool outputs shortened in the middle.

    An output is shortened if it has more than ``max_tokens`` and is older than the newest
    ``keep_turns`` turns. A marker says how many characters are missing, and the ``seq`` of the item
    in the session, at which ``session.entries()`` reads it. The stored item stays as it is. The
    same item is always shortened to the same bytes.

    The boundary does not slide. It is an absolute turn number, which moves by ``block_turns``: each
    shortened output changes the prompt, and a provider's prompt cache reuses only what is in front
    of the change.

    Lists of texts, images and files are shortened, too: an image or a file becomes a short text
    that names it. Not shortened are screenshots of a computer tool, loaded tool definitions, and
    results of programs, as the API accepts these only whole.

    Args:
        policy: Selects the items: any policy. It counts outputs as they are stored.
        max_tokens: Of an old output, in tokens of the store's counter, at least 50.
        keep_turns: Turns whose outputs are not shortened to ``max_tokens``. A turn is a user
            message and everything up to the next one.
        block_turns: Turns by which the boundary moves: by default 16, and less while there are few
            old turns (the largest power of two that is at most half of them). With a larger block,
            the cache reuses more of each prompt, and fewer outputs are shortened.
        newest_max_tokens: Of an output in any turn, the running one included; at least
            ``max_tokens``. None sets no limit. The marker has no ``seq``: the item is shortened to
            the same bytes in the run that makes it, where its ``seq`` is not known yet.

    In :func:`input_filter`, ``newest_max_tokens`` applies before ``policy`` counts the outputs, and
    turns are counted from the beginning of the view.

    Raises:
        TypeError: ``policy`` is not a coroutine function, or a number is not a whole number.
        ValueError: a number is too small.
    """

    def __init__(
        self,
        policy: RetrievalPolicy,
        *,
        max_tokens: int = 1_000,
        keep_turns: int = 3,
        block_turns: int | None = None,
        newest_max_tokens: int | None = None,
    ) -> None:
        super().__init__(policy)
        check_whole_number("max_tokens", max_tokens, at_least=LEAST_TOKENS)
        if newest_max_tokens is not None:
            check_whole_number("newest_max_tokens", newest_max_tokens, at_least=max_tokens)
        is_growing = block_turns is None
        self._blocks = TurnBlocks(
            keep_turns, _LARGEST_BLOCK if is_growing else block_turns, growing=is_growing
        )
        self.max_tokens = max_tokens
        self.keep_turns = self._blocks.keep_turns
        self.block_turns = self._blocks.block_turns
        self.newest_max_tokens = newest_max_tokens

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({name_of(self.policy)}, max_tokens={self.max_tokens}, "
            f"keep_turns={self.keep_turns})"
        )

    async def view(self, history: History, /) -> View:
        """The view of ``policy``. A shortened output is :class:`Changed`."""
        view = await view_of(self.policy, history)
        last_old = self._blocks.last_old_turn(max(_turns(view), default=0))

        def shown(part: Part) -> Part:
            if isinstance(part, Added):
                return part
            entry = entry_of(part)
            is_old = entry.turn <= last_old
            return self._shortened(part, history, is_old=is_old, seq=entry.seq if is_old else None)

        return replace(view, parts=[shown(part) for part in view.parts])

    def in_run(self) -> RetrievalPolicy:
        """The same around what ``policy`` does inside a run."""
        return _TrimmedRun(self, policy_in_run(self.policy))

    def shortened_newest(self, entry: Entry, history: History) -> Part:
        """The entry as it is shown in any turn."""
        return self._shortened(entry, history, is_old=False, seq=None)

    def shortened_old(self, part: Entry | Changed, history: History) -> Part:
        """The entry as it is shown in an old turn of a history without a seq of its own."""
        return self._shortened(part, history, is_old=True, seq=None)

    def last_old_turn(self, newest_turn: int) -> int:
        return self._blocks.last_old_turn(newest_turn)

    def _shortened(
        self, part: Entry | Changed, history: History, *, is_old: bool, seq: int | None
    ) -> Part:
        limit = self.max_tokens if is_old else self.newest_max_tokens
        if limit is None or part.tokens <= limit or not traits_of(part.item).is_output:
            return part
        short = shorten_output(
            part.item, limit, tokens=part.tokens, seq=seq, count_tokens=history.count_tokens
        )
        return part if short is None else Changed(entry_of(part), short.item, short.tokens)


class _TrimmedRun:
    """Trims the list of a run, which is in memory, and has no numbers of a session."""

    def __init__(self, trim: TrimToolOutputs, policy: RetrievalPolicy) -> None:
        self._trim = trim
        self._policy = policy

    async def __call__(self, history: History, /) -> list[Item]:
        return (await self.view(history)).items

    async def view(self, history: History, /) -> View:
        entries = [entry async for entry in history.oldest_first()]
        newest = [self._trim.shortened_newest(entry, history) for entry in entries]
        run = ListHistory([part.item for part in newest], token_counter=history.count_tokens)
        run.pinned_tokens = history.pinned_tokens
        run.overhead_tokens = history.overhead_tokens
        view = await view_of(self._policy, run)
        last_old = self._last_old_turn(view, entries)

        def shown(part: Part) -> Part:
            if isinstance(part, Added):
                return part
            index = entry_of(part).seq - 1
            if isinstance(part, Changed):
                part = part._replace(entry=entries[index])
                is_old = part.entry.turn <= last_old
                return self._trim.shortened_old(part, history) if is_old else part
            is_old = part.turn <= last_old
            return self._trim.shortened_old(entries[index], history) if is_old else newest[index]

        return replace(view, parts=[shown(part) for part in view.parts])

    def _last_old_turn(self, view: View, entries: list[Entry]) -> int:
        """Turns are counted from the beginning of the view: over its own view, nothing changes."""
        turns = _turns(view)
        if view.start_seq is None or not turns:
            return -1
        first = entries[view.start_seq - 1]
        before = first.turn - starts_turn(first.item)
        last_old = self._trim.last_old_turn(max(turns) - before)
        return last_old + before if last_old > 0 else -1


def _turns(view: View) -> list[int]:
    return [entry_of(part).turn for part in view.parts if not isinstance(part, Added)]
