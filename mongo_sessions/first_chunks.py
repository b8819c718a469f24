"""How many documents the first chunk of a view has."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

DEFAULT = 100
"""Documents, where no view was seen yet."""

VIEWS = 10_000
"""That one store remembers, in 2.4 MB."""


class FirstChunks:
    """What the last view of each session needed: the next one is one round trip, and a short one.

    A store has it, not a session object: an application may make one of those per request. Each
    size is a hint. A wrong one costs one more round trip, or some documents too many, once.
    """

    def __init__(self) -> None:
        self._sizes: OrderedDict[Hashable, int] = OrderedDict()

    def of(self, view: Hashable) -> int:
        return self._sizes.get(view, DEFAULT)

    def learn(self, view: Hashable, documents: int) -> None:
        """Of the views beyond :data:`VIEWS`, the one that was learned first is forgotten."""
        # Event loops in several threads may share a store: each step is atomic, and none can fail.
        self._sizes.pop(view, None)
        self._sizes[view] = documents
        if len(self._sizes) > VIEWS:
            self._sizes.popitem(last=False)
