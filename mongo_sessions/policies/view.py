"""A view: the items that the model sees, with the stored item that each comes from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, runtime_checkable

from .names import name_of
from .wrapped_history import WrappedHistory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from typing_extensions import Self

    from .policy import Entry, History, Item, RetrievalPolicy


class CutReason(Enum):
    """Why a view begins where it begins."""

    WHOLE = "nothing is left out"
    SUMMARY = "a summary covers everything before it"
    BUDGET = "the budget is full: the view moves by whole blocks"
    NEWEST_GROUP = "the newest group alone fills the budget"
    TURNS = "only the newest turns are shown: the view moves by whole blocks"
    LIMIT = "the session's settings have a limit of items"
    UNKNOWN = "the policy does not say"

    @property
    def covers_everything(self) -> bool:
        """Whether nothing is left out but items that an API rejects, such as an open call."""
        return self in (CutReason.WHOLE, CutReason.SUMMARY)


class Changed(NamedTuple):
    """A stored item that is shown in another form, such as a shortened tool output."""

    entry: Entry
    item: Item
    tokens: int


class Added(NamedTuple):
    """An item that is not stored."""

    item: Item
    kind: str
    """``"summary"``, for example."""


Part: TypeAlias = "Entry | Changed | Added"
"""An :class:`Entry` is a stored item that is shown unchanged."""


def entry_of(part: Entry | Changed) -> Entry:
    """The stored item that is shown, unchanged or in another form."""
    return part.entry if isinstance(part, Changed) else part


@dataclass(frozen=True)
class View:
    """What a policy shows, oldest first."""

    parts: Sequence[Part]
    reason: CutReason = CutReason.UNKNOWN
    start_seq: int | None = None
    """Where the verbatim part begins. Earlier calls of its outputs may precede it. None if there
    is no verbatim part."""
    anchor: Entry | None = None
    """The item that carries the summary that is shown."""
    budget: int | None = None
    """The most tokens that the policy shows; None if it has no such limit."""
    block: int | None = None
    """The most tokens by which the cut moves at once; None if it does not move by blocks."""

    @property
    def items(self) -> list[Item]:
        return [part.item for part in self.parts]

    @property
    def seqs(self) -> list[int]:
        """Of the stored items in it, in its order."""
        return [entry_of(part).seq for part in self.parts if not isinstance(part, Added)]


@runtime_checkable
class HasView(Protocol):
    """A policy that tells where the items of its view come from."""

    async def view(self, history: History, /) -> View:
        """The view whose items the policy returns."""


async def view_of(policy: RetrievalPolicy, history: History) -> View:
    """The view of any policy. Without a method ``view``, its items are looked up in what it read.

    Raises:
        TypeError: the policy does not return a list of items.
    """
    if isinstance(policy, HasView):
        return await policy.view(history)
    recorded = _Recorded(history)
    items = _checked(policy, await policy(recorded))
    entries = [recorded.entries.get(id(item)) for item in items]
    parts = [entry or Added(item, "other") for item, entry in zip(items, entries, strict=True)]
    seqs = [entry.seq for entry in entries if entry is not None]
    return View(parts, start_seq=min(seqs, default=None))


def _checked(policy: RetrievalPolicy, items: object) -> list[Item]:
    """An Entry in the place of its item would otherwise reach the model."""
    expected = f"policy {name_of(policy)} must return a list of items, which are dicts; got"
    if not isinstance(items, list):
        raise TypeError(f"{expected} {type(items).__name__}")
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise TypeError(f"{expected} {type(item).__name__} at index {index}")
    return items


class _Recorded(WrappedHistory):
    """A history that remembers the entries that a policy reads."""

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.entries: dict[int, Entry] = {}
        """By the identity of their items, which the entries keep alive."""

    def newest_first(self, before_seq: int | None = None) -> AsyncIterator[Entry]:
        return _Recording(self.history.newest_first(before_seq), self)

    def oldest_first(self, after_seq: int = 0) -> AsyncIterator[Entry]:
        return _Recording(self.history.oldest_first(after_seq), self)

    async def find(self, ids: Collection[str], before_seq: int) -> list[Entry]:
        return [self.record(entry) for entry in await self.history.find(ids, before_seq)]

    async def latest_summary(self) -> Entry | None:
        latest = await self.history.latest_summary()
        return None if latest is None else self.record(latest)

    def record(self, entry: Entry) -> Entry:
        self.entries[id(entry.item)] = entry
        return entry


class _Recording:
    """Not a generator: an unfinished one has to be closed by its event loop."""

    def __init__(self, entries: AsyncIterator[Entry], recorded: _Recorded) -> None:
        self._entries = entries
        self._recorded = recorded

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Entry:
        return self._recorded.record(await anext(self._entries))
