"""The blocks that a policy adds to the inputs of runs: one a run, the same in each model call."""

from __future__ import annotations

import json
from collections import OrderedDict
from hashlib import blake2b
from itertools import dropwhile, islice
from typing import TYPE_CHECKING

from ..policies import starts_turn
from ..policies.recall.recall import newest_message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ..history.session_state import SessionState
    from ..policies import HasRecall, History, Item, TokenCounter

_MOST_BLOCKS = 64
"""Concurrent runs with one filter. Beyond them, the block of the oldest run is made again."""
_MESSAGES = 8
"""A run is known by its newest user message and the messages in front of it, up to this many."""


class RunBlocks:
    """Adds the block of ``policy``, which searches a session.

    A filter is not told which run it serves. So a run is known by the content of its messages: tool
    calls follow the newest user message, and a handoff may remove earlier ones.
    """

    def __init__(
        self,
        policy: HasRecall,
        open_history: Callable[[], Awaitable[History]],
        state: SessionState,
    ) -> None:
        self._policy = policy
        self._open_history = open_history
        self._state = state
        self._blocks: OrderedDict[bytes, Item | None] = OrderedDict()

    async def added_to(
        self, shown: Sequence[Item], items: Sequence[Item], count_tokens: TokenCounter
    ) -> list[Item]:
        """What a model call shows, with the block in front of the newest user message.

        Args:
            shown: What the model is shown otherwise.
            items: The whole input of the call.
            count_tokens: Counts the block.
        """
        block = await self._block(shown, items)
        self._state.recalled_tokens.note(items, 0 if block is None else count_tokens(block))
        if block is None:
            return list(shown)
        place = max(index for index, item in enumerate(shown) if starts_turn(item))
        return [*shown[:place], block, *shown[place:]]

    async def _block(self, shown: Sequence[Item], items: Sequence[Item]) -> Item | None:
        if newest_message(items) is None or newest_message(shown) is None:
            return None
        key = _key(items)
        if key in self._blocks:
            self._blocks.move_to_end(key)
            return self._blocks[key]
        made = await self._made(shown, is_whole=len(shown) == len(items))
        block = self._blocks.setdefault(key, made)  # a concurrent call may have made it
        while len(self._blocks) > _MOST_BLOCKS:
            self._blocks.popitem(last=False)
        return block

    async def _made(self, shown: Sequence[Item], *, is_whole: bool) -> Item | None:
        before_seq = self._state.view_start if is_whole else None
        if before_seq == 0:
            return None  # nothing is hidden: no search
        history = await self._open_history()
        return await self._policy.recalled(history, shown, before_seq=before_seq)


def _key(items: Sequence[Item]) -> bytes:
    newest_first = dropwhile(lambda item: not starts_turn(item), reversed(items))
    messages = list(islice((item for item in newest_first if "role" in item), 1 + _MESSAGES))
    # An item of an application may hold other objects than JSON has: repr is for the key alone.
    encoded = json.dumps(messages, default=repr).encode()
    return blake2b(encoded, digest_size=16).digest()
