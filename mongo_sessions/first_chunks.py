"""The size of the first chunk that a view reads."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

DEFAULT = 100
"""Documents, before the first view."""

VIEWS = 10_000
"""The number of views that one store remembers, in 2.4 MB."""


class FirstChunks:
    """The number of documents that the last view of each session needed.

    With it, the next view takes one round trip, and reads few documents that it does not need. It
    is kept by the store, as an application may make a session object per request. Each size is a
    hint: a wrong one costs one more round trip, or some documents too many, once.
    """

    def __init__(self) -> None:
        self._sizes: OrderedDict[Hashable, int] = OrderedDict()

    def of(self, view: Hashable) -> int:
        return self._sizes.get(view, DEFAULT)

    def learn(self, view: Hashable, documents: int) -> None:
        """Beyond :data:`VIEWS` views, the one that was learned first is forgotten."""
        # Event loops in several threads may share a store: each step is atomic and cannot fail.
        self._sizes.pop(view, None)
        self._sizes[view] = documents
        if len(self._sizes) > VIEWS:
            self._sizes.popitem(last=False)
