"""The tokens of the blocks that filters have added, by the message that each block is for."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from ..policies.recall.recall import newest_message
from ..policies.recall.texts import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..policies import Item

_MOST_MESSAGES = 64
"""Of concurrent runs. The block of an older one is taken for a part of its prompt's overhead."""


class RecalledTokens:
    """The tokens of blocks, until a response to the prompt with the block has been observed.

    A filter is not told which run it serves, and concurrent runs share a session object: so a block
    and a run are matched by the newest user message of the prompt.
    """

    def __init__(self) -> None:
        self._tokens: OrderedDict[int, int] = OrderedDict()

    def note(self, items: Sequence[Item], tokens: int) -> None:
        """A prompt with these items has got a block of this size; 0 for none."""
        if (key := message_key(items)) is None:
            return
        self._tokens.pop(key, None)
        if tokens:
            self._tokens[key] = tokens
        while len(self._tokens) > _MOST_MESSAGES:
            self._tokens.popitem(last=False)

    def take(self, key: int | None) -> int:
        """The tokens of the block for this message, once; 0 if it has none."""
        return 0 if key is None else self._tokens.pop(key, 0)


def message_key(items: Sequence[Item]) -> int | None:
    """Equal for the newest user message of a run and of its prompts; None if there is none.

    The text alone: the SDK may add other fields to a prompt.
    """
    message = newest_message(items)
    return None if message is None else hash(text_of(message))
