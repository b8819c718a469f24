"""The interface between log and policies: the history that is read, and the policy itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
    from datetime import datetime

Item: TypeAlias = dict[str, Any]
"""One item of a conversation, as the Agents SDK hands it to a session: any JSON object."""

Summary: TypeAlias = "Mapping[str, Any]"
"""A summary as a policy stores it, on the last item that the summary covers."""


MOST_FOUND = 100
"""The most entries that :meth:`History.find` returns: some providers use an id many times."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The lease on the summary that ends at an item, or the pause after a failed attempt.

    Only the log knows whether it has expired: then :meth:`History.claim` succeeds.
    """

    until: datetime
    """UTC, by the clock of the log. The clock of this machine may differ by minutes."""
    is_working: bool
    """True while a worker makes the summary. False after a failure: every worker waits."""
    failures: int = 0
    """Failed attempts so far."""
    reason: str = ""
    """Why the last attempt failed, without text of the conversation; empty if none has."""


class PinnedItem(NamedTuple):
    """An item that stays visible when it is folded."""

    seq: int
    item: Item
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored item with its position, its token counts and its summary."""

    seq: int
    """Position in the session: 1, 2, 3, …"""
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
    """The summary of the session up to and including this item, if one is stored here."""
    claim: Claim | None = None
    """The lease on that summary, while it is being made."""
    has_room: bool = True
    """False if the item is so large that no summary can be stored with it."""
    is_pinned: bool = False
    """Whether the item stays visible, word for word, when it is folded."""
    pins: Sequence[PinnedItem] = ()
    """Of an item with a summary: the pinned items that the summary covers."""
    id: object = field(default=None, repr=False, compare=False)
    """Identifies the item in the log; opaque to a policy."""

    @property
    def tokens_before(self) -> int:
        """Tokens of the session before this item."""
        return max(0, self.total_tokens - self.tokens)


@dataclass(frozen=True, slots=True)
class Found:
    """An entry that a search has found."""

    entry: Entry
    score: float
    """Comparable within one search."""
    share: float
    """The share of the query's weight that the words of this entry have: from 0, for an entry that
    stands beside matches, to 1, for one with every word."""
    rarity: float = 0.0
    """The weight of its words in this session: 1 is that of a word that no other entry has."""


class History(Protocol):
    """One session as a policy may read it. Every method reads lazily."""

    session_id: str
    """For log messages."""

    @property
    def pinned_tokens(self) -> int:
        """Tokens of items that are shown in any case: a policy deducts them from its budget.

        0 in a session. Inside a run, a summary and the newest user message.
        """

    @property
    def overhead_tokens(self) -> int:
        """Tokens of a prompt outside the history: instructions, tools, additions of the provider.

        They are known from reported usage, after the first entry was read. 0 while unknown.
        """

    def newest_first(self, before_seq: int | None = None) -> AsyncIterator[Entry]:
        """All entries, newest first; with ``before_seq``, the entries with a lower seq.

        Entries are read in chunks: reading stops when the policy stops.
        """

    def oldest_first(self, after_seq: int = 0) -> AsyncIterator[Entry]:
        """The entries with a seq above ``after_seq``, oldest first, read in chunks."""

    async def find(self, ids: Collection[str], before_seq: int) -> list[Entry]:
        """The newest entries before ``before_seq`` with one of ``ids``, oldest first.

        An id is the ``call_id`` or the ``id`` of an item. ``ids`` is ordered by importance. At most
        :data:`MOST_FOUND` entries are returned.
        """

    async def search(
        self, query: str, *, before_seq: int | None = None, limit: int = 20, seconds: float = 2.0
    ) -> list[Found]:
        """The entries that match the words of ``query``, best first.

        A word counts more if it is rare in the session. An entry beside matches may be among them.

        Args:
            query: Any text; nothing in it is an operator.
            before_seq: Only entries with a lower seq. None: all.
            limit: The most entries that are returned.
            seconds: The most time for the search. Then older entries are not compared.
        """

    async def latest_summary(self) -> Entry | None:
        """The newest entry that carries a summary, or None."""

    async def claim(self, entry: Entry, seconds: float) -> bool:
        """Acquire a lease of ``seconds`` on the summary that ends at ``entry``.

        False if the item is gone or has a summary, while another worker holds the lease, and during
        the pause after a failure. The holder renews the lease by calling this again. All times are
        by the clock of the log.
        """

    async def back_off(self, entry: Entry, seconds: float, reason: str = "") -> None:
        """End the lease after a failure: no worker may acquire it for ``seconds``.

        ``reason`` is stored, and shown by ``session.explain()``. It must hold no text of the
        conversation.
        """

    async def release(self, entry: Entry) -> None:
        """End the lease without an attempt: any worker may acquire it at once."""

    async def save_summary(self, entry: Entry, summary: Summary) -> bool:
        """Store ``summary`` on ``entry``, and end the lease.

        False, without any change, if the item is gone, has a summary already, or is leased to
        another worker. Also if the lease of this history was lost, or removed together with the
        summaries that the new one is based on. The pinned items up to ``entry`` are stored with it:
        see :attr:`Entry.pins`.
        """

    async def now(self) -> datetime:
        """The time by the clock of the log, in UTC. It may take a round trip."""

    async def run_in_background(self, work: Callable[[], Awaitable[bool]], seconds: float) -> None:
        """Run slow work in the background, and wait for it for at most ``seconds``.

        The work continues after that, and is run again as long as it returns True. If background
        work of this session is running already, this waits for that work instead, until it has
        taken ``seconds``. Its errors are logged.
        """

    def skip_maintenance_until(self, total_tokens: int) -> None:
        """Optional: skip :meth:`HasMaintenance.maintain` until the session has this many tokens.

        Without it, ``maintain`` is called, and reads the log, after every write.
        """

    def count_tokens(self, item: Item, /) -> int:
        """Tokens of an item that is not stored, by the token counter of the store."""


class RetrievalPolicy(Protocol):
    """Decides which items of a session's history the model sees.

    Any ``async def policy(history) -> list[Item]`` is one. The list must be valid input for a
    model: :func:`drop_unpaired` returns it unchanged.
    """

    async def __call__(self, history: History, /) -> list[Item]:
        """Return the view, oldest item first. The items come from the history, unchanged."""


@runtime_checkable
class NeedsTokenCounts(Protocol):
    """A policy that has this attribute needs a store that counts tokens."""

    max_tokens: int


@runtime_checkable
class HasPins(Protocol):
    """A policy that shows pinned items word for word when they are folded."""

    @property
    def pin_tokens(self) -> int:
        """Room for the pinned items of a session."""

    def tokens_of_pins(self, history: History, pins: Sequence[PinnedItem], /) -> int:
        """Tokens of these items as the policy shows them."""


@runtime_checkable
class HasMaintenance(Protocol):
    """A policy with slow work, such as summarising, that runs off the request path."""

    async def maintain(self, history: History) -> bool:
        """Do one piece of the work; return whether there may be more.

        The session calls it in the background after a write.
        """
