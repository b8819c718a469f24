"""What a store knows, whichever event loop uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .bypass import Bypasses
from .counting.count_check import CountCheck
from .counting.counting import Counting
from .first_chunks import FirstChunks

if TYPE_CHECKING:
    from .log.server.deployment import Deployment
    from .options import Options


class StoreState:
    """Shared by the sessions of a store. Several event loops in several threads may use it.

    Each field below is set once, after a first success. Two event loops that begin at the same
    time may both do the work: it is idempotent.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.counting = Counting(options.token_counter)
        self.count_check = CountCheck(self.counting)
        self.first_chunks = FirstChunks()
        self.bypasses = Bypasses()
        self.indexes_were_checked = False
        """Whether the required indexes were found, or created."""
        self.indexes_were_created = False
        """Whether the missing ones were created, if there were any."""
        self.is_read_only = False
        """Whether reads leave the rest of an interrupted clear as it is."""
        self.card_indexes_were_checked = False
        """Whether the indexes of the cards were found, or created."""
        self.card_indexes_are_missing = False
        """Whether that was logged."""
        self.deployment: Deployment | None = None
        """None before the first look at the server."""
