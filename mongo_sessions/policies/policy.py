"""The seam between the log and the view: what a policy sees, and what a policy is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
    from datetime import datetime

Item: TypeAlias = dict[str, Any]
"""One item of a conversation, as the Agents SDK hands it to a session: any JSON object."""

Summary: TypeAlias = "Mapping[str, Any]"
"""What a summarising policy keeps on the last item that the summary covers."""


MOST_FOUND = 100
"""Entries that :meth:`History.find` returns at most: some providers use an id again and again."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker makes the summary that ends at an item, or failed to.

    Whether the claim has expired is for the log to say: :meth:`History.claim` succeeds then.
    """

    until: datetime
    """UTC, by the clock of the log, which may be minutes from the clock of this machine."""
    is_working: bool
    """False after a failure: no worker makes the summary, and every worker waits."""
    failures: int = 0
    """Attempts that failed so far."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored item with what the log knows about it."""

    seq: int
    """Its place in the session: 1, 2, 3, …"""
    item: Item
    tokens: int
    """Of this item; 0 where the store counts no tokens."""
    total_tokens: int
    """Of the session, up to and including this item."""
    turn: int
    """User messages so far, up to and including this item."""
    created_at: datetime
    """UTC, in milliseconds."""
    summary: Summary | None = None
    """What happened up to and including this item, if somebody summarised it here."""
    claim: Claim | None = None
    """Who is about to."""
    has_room: bool = True
    """False for an item so large that the log has no room for a summary beside it."""
    id: object = field(default=None, repr=False, compare=False)
    """What the log knows this item by; opaque to a policy."""

    @property
    def tokens_before(self) -> int:
        """Tokens of the session before this item."""
        return max(0, self.total_tokens - self.tokens)


class History(Protocol):
    """What a policy may ask of one session's log. Every method reads lazily."""

    session_id: str
    """For log messages."""

    def newest_first(self, before_seq: int | None = None) -> AsyncIterator[Entry]:
        """Every entry with a seq below ``before_seq`` (None: every entry), newest first.

        Read in chunks: reading stops when the policy stops.
        """

    def oldest_first(self, after_seq: int = 0) -> AsyncIterator[Entry]:
        """Every entry with a seq above ``after_seq``, oldest first, read in chunks."""

    async def find(self, ids: Collection[str], before_seq: int) -> list[Entry]:
        """The newest entries before ``before_seq`` with one of ``ids``, oldest first.

        An id is the ``call_id`` or the ``id`` of an item; the first of them matter most. At most
        :data:`MOST_FOUND` entries.
        """

    async def latest_summary(self) -> Entry | None:
        """The newest entry that carries a summary, or None."""

    async def claim(self, entry: Entry, seconds: float) -> bool:
        """Reserve the making of the summary that ends at ``entry``, for so many seconds from now.

        False if the item is gone or has a summary, while another worker has the claim, and during
        the pause after a failure. The owner of a claim prolongs it by claiming again. Time is
        measured by one clock, the log's.
        """

    async def back_off(self, entry: Entry, seconds: float) -> None:
        """Give one's claim up after a failure: no worker may claim for so many seconds."""

    async def release(self, entry: Entry) -> None:
        """Give one's claim up without having tried: any worker may claim at once."""

    async def save_summary(self, entry: Entry, summary: Summary) -> bool:
        """Keep ``summary`` on ``entry``, and end the claim.

        False when the item is gone, has a summary already, or is claimed by somebody else; nothing
        is changed then.
        """

    async def run_in_background(self, work: Callable[[], Awaitable[bool]], seconds: float) -> None:
        """Run slow work off the request path, and wait for it, but only for so many seconds.

        It goes on after that, and is run again for as long as it returns True. If such work is
        under way for this session, that is waited for instead, until it has taken so long. Its
        errors are logged.
        """

    def skip_maintenance_until(self, total_tokens: int) -> None:
        """Say that :meth:`HasMaintenance.maintain` has nothing to do until a session is this long.

        A hint that saves questions to the database. Who never says it is asked at every write.
        """

    def count_tokens(self, item: Item, /) -> int:
        """Tokens of an item that is not stored, by the store's own counter."""


class RetrievalPolicy(Protocol):
    """Decides what the model sees of a session's history.

    Any ``async def policy(history) -> list[Item]`` is one. The list must be valid input for a
    model: what :mod:`mongo_sessions.policies.structure` allows, and nothing that it would drop.
    """

    async def __call__(self, history: History, /) -> list[Item]:
        """Return the view, oldest item first. Items are returned as stored, never changed."""


@runtime_checkable
class NeedsTokenCounts(Protocol):
    """A policy that has this attribute needs a store that counts tokens."""

    max_tokens: int


@runtime_checkable
class HasMaintenance(Protocol):
    """A policy with slow work to do, such as summarising, off the request path."""

    async def maintain(self, history: History) -> bool:
        """Do one piece of it; return whether there may be more.

        The session runs it in the background after a write.
        """
